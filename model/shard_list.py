"""Which shards a data set consists of."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import fsspec
from braceexpand import braceexpand
from fsspec import AbstractFileSystem
from fsspec.utils import glob_translate

from model.shard_samples import BadShard
from webbody.errors import WebbodyError
from webbody.folder_walk import FolderWalk, state_of

#: Where a build's folder, or a copy of its samples alone, lists its shards by split.
_INDEXES = ("pack/index.json", "index.json")


@dataclass(frozen=True)
class Shard:
    """A tar of data set number `dataset`: a local path or an fsspec URL.

    state: a text that changes when the file changes.
    """

    url: str
    dataset: int
    state: str


def list_shards(datasets: Sequence[str], split: str = "train") -> list[Shard]:
    """The shards of each data set, sorted by name.

    A data set is the folder of a build (the shards of `split` that its index lists), a folder of
    .tar files, or a pattern of them such as `reid-{0000..0031}.tar` or `web/*.tar`; paths or
    fsspec URLs. Hidden files are none of them (`webbody.folder_walk`), such as the twins `._a.tar`
    that macOS writes. Raises BadShard where one has no shards or lacks one it should have.
    """
    return [
        Shard(url, number, state)
        for number, dataset in enumerate(datasets)
        for url, state in sorted(_shards(dataset, split))
    ]


def _shards(dataset: str, split: str) -> list[tuple[str, str]]:
    found = [shard for path in _expanded(dataset) for shard in _matching(path, split)]
    if not found:
        raise BadShard(f"{dataset}: there are no shards (.tar) here; check the path")
    return found


def _expanded(pattern: str) -> list[str]:
    try:
        return list(braceexpand(pattern))
    except ValueError as error:
        raise BadShard(f"{pattern}: its braces do not match") from error


def _matching(path: str, split: str) -> Iterator[tuple[str, str]]:
    """URL and state of the shards of a folder, of a pattern with stars, or of one file."""
    try:
        fs, root = fsspec.core.url_to_fs(path)
    except (ValueError, ImportError) as error:
        raise BadShard(f"{path}: {error}") from error
    root = root.rstrip("/")
    if any(sign in root for sign in "*?["):
        names = _globbed(fs, root)
    elif not fs.isdir(root):
        names = [root]
    else:
        indexed = _indexed(fs, root, split)
        names = _globbed(fs, f"{root}/*.tar", root) if indexed is None else indexed
    for name in names:
        try:
            info = fs.info(name)
        except FileNotFoundError as error:
            raise BadShard(f"{name}: there is no such shard or folder") from error
        if not info.get("size") or info.get("type") == "directory":
            raise BadShard(f"{name}: is empty or no file")
        chain, colons, _ = path.rpartition("::")
        url = fs.unstrip_protocol(name).removeprefix("file://")
        yield chain + colons + url, state_of(info)


def _globbed(fs: AbstractFileSystem, pattern: str, literal: str = "") -> list[str]:
    """The files that a pattern matches; the walk enters only folders that can hold such.

    literal: the folder where the pattern begins, whatever signs its name has.
    """
    parts = pattern[len(literal) :].strip("/").split("/")
    fixed = 0
    while not literal and not any(sign in parts[fixed] for sign in "*?["):
        fixed += 1
    root = literal or ("/" if pattern.startswith("/") else "") + "/".join(parts[:fixed])
    parts = parts[fixed:]
    whole = re.compile(glob_translate("/".join(parts)))
    steps = [re.compile(glob_translate(part)) for part in parts[:-1]]

    def enter(folder: str) -> bool:
        inside = folder.split("/")
        if "**" in parts:
            return True
        return len(inside) <= len(steps) and bool(steps[len(inside) - 1].match(inside[-1]))

    try:
        walk = FolderWalk(root, enter, fs)
        # A link to nothing is a shard that is not there.
        paths = [*(file.path for file in walk), *walk.broken]
        return [f"{root.rstrip('/')}/{path}" for path in paths if whole.match(path)]
    except WebbodyError as error:
        raise BadShard(str(error).rstrip(".")) from error


def _indexed(fs: AbstractFileSystem, root: str, split: str) -> list[str] | None:
    """The shards of a split that the folder's index lists; None where it has no index."""
    for index in (f"{root}/{name}" for name in _INDEXES):
        if not fs.exists(index):
            continue
        try:
            splits = json.loads(fs.cat_file(index))["splits"]
            names = [shard["name"] for shard in splits[split]["shards"]] if split in splits else []
        except (ValueError, KeyError, TypeError) as error:
            raise BadShard(f"{index}: is no index of shards") from error
        if not names:
            raise BadShard(f"{index}: lists no shards of the split {split!r}")
        return [f"{index.rpartition('/')[0]}/{name}" for name in names]
    return None
