"""Listing the shards of data sets."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import fsspec
from fsspec import AbstractFileSystem
from fsspec.utils import glob_translate

from model.shard_index import INDEX, folder_of_shards, read_index
from webbody.errors import WebbodyError
from webbody.folder_walk import FolderWalk, state_of


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
    that macOS writes. Raises WebbodyError where one has no shards or lacks one it should have.
    """
    return [
        Shard(url, number, state)
        for number, dataset in enumerate(datasets)
        for url, state in sorted(_shards(dataset, split))
    ]


def _shards(dataset: str, split: str) -> list[tuple[str, str]]:
    found = [shard for path in _expanded(dataset) for shard in _matching(path, split)]
    if not found:
        raise WebbodyError(f"{dataset}: there are no shards (.tar) here; check the path")
    return found


def _expanded(pattern: str) -> list[str]:
    if not any(sign in pattern for sign in "{}\\"):
        return [pattern]
    from braceexpand import braceexpand  # of webdataset, which folders of shards do without

    try:
        return list(braceexpand(pattern))
    except ValueError as error:
        raise WebbodyError(f"{pattern}: its braces do not match") from error


def _matching(path: str, split: str) -> Iterator[tuple[str, str]]:
    """URL and state of the shards of a folder, of a pattern with stars, or of one file."""
    try:
        fs, root = fsspec.core.url_to_fs(path)
    except (ValueError, ImportError) as error:
        raise WebbodyError(f"{path}: {error}") from error
    root = root.rstrip("/")
    if any(sign in root for sign in "*?["):
        names = _globbed(fs, root)
        sizes = _listed_sizes(fs, names)
    elif not fs.isdir(root):
        names = [root]
        sizes = _listed_sizes(fs, names)
    else:
        names, sizes = _in_folder(fs, folder_of_shards(fs, root), split)
    for name in names:
        try:
            info = fs.info(name)
        except FileNotFoundError as error:
            raise WebbodyError(f"{name}: there is no such shard or folder") from error
        if not info.get("size") or info.get("type") == "directory":
            raise WebbodyError(f"{name}: is empty or no file")
        if sizes.get(name) not in (None, info["size"]):
            raise WebbodyError(
                f"{name}: has {info['size']:,} bytes where its {INDEX} says {sizes[name]:,}; make "
                "or copy it again"
            )
        chain, colons, _ = path.rpartition("::")
        url = fs.unstrip_protocol(name).removeprefix("file://")
        yield chain + colons + url, state_of(info)


def _in_folder(
    fs: AbstractFileSystem, folder: str, split: str
) -> tuple[list[str], dict[str, int | None]]:
    """The shards that a folder's index lists for a split, with their sizes; without one every tar.

    Raises WebbodyError where the folder is of a build that is not finished.
    """
    index = read_index(fs, folder)
    if index is None:
        names = _globbed(fs, f"{folder}/*.tar", folder)
        return names, _listed_sizes(fs, names)
    sizes = {f"{folder}/{shard.name}": shard.bytes for shard in index.get(split, ())}
    if not sizes:
        raise WebbodyError(f"{folder}/{INDEX}: lists no shards of the split {split!r}")
    return list(sizes), sizes


def _listed_sizes(fs: AbstractFileSystem, names: Iterable[str]) -> dict[str, int | None]:
    """Size of each shard that an index beside it lists.

    Raises WebbodyError for a shard in the folder of a build that is not finished.
    """
    sizes: dict[str, int | None] = {}
    folders: dict[str, list[str]] = {}
    for name in names:
        folders.setdefault(name.rpartition("/")[0], []).append(name)
    for folder, inside in folders.items():
        index = read_index(fs, folder, inside[0].rpartition("/")[2])
        for shard in (shard for shards in (index or {}).values() for shard in shards):
            sizes[f"{folder}/{shard.name}"] = shard.bytes
    return sizes


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

    walk = FolderWalk(root, enter, fs)
    # A link to nothing is a shard that is not there.
    paths = [*(file.path for file in walk), *walk.broken]
    return [f"{root.rstrip('/')}/{path}" for path in paths if whole.match(path)]
