"""What a user names as sources of people: finished builds, shards, pictures."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from pipelines.base.stage import committed
from pipelines.engine.graph import PACK
from pipelines.engine.state import pack_shards, read_build
from webbody.commit import intact
from webbody.errors import WebbodyError
from webbody.folder_walk import BROKEN, FolderWalk, state_of
from webbody.images import SUFFIXES
from webbody.plain_text import plain_text
from webbody.storage import Folder

_ENDINGS = ", ".join(sorted(SUFFIXES))


@dataclass(frozen=True)
class Found:
    """Files by folder (path or fsspec URL), each with a text that changes when the file changes.

    Paths are those inside the folder.
    """

    shards: dict[str, dict[str, str]] = field(default_factory=dict)
    pictures: dict[str, dict[str, str]] = field(default_factory=dict)


def find_sources(sources: Sequence[str]) -> Found:
    """The shards and pictures of sources (paths or fsspec URLs), in their order.

    A source is a build's folder (its committed samples), a .tar with samples, a folder of such
    shards, a picture, or a folder with pictures at any depth; hidden files are left out and links
    followed (`webbody.folder_walk`). What an earlier source has is not taken again. Raises
    WebbodyError for others.
    """
    found = Found()
    taken: set[str] = set()
    for source in sources:
        folder, name = Folder(source), ""
        if not folder.fs.isdir(folder.root):
            parent, slash, name = folder.url.rpartition("/")
            folder = Folder(parent or slash or ".")
        both = _in_folder(folder) if not name else _file(folder, name, source)
        real = {path: _real(folder, path) for files in both for path in files}
        for files, kind in zip(both, (found.shards, found.pictures), strict=True):
            new = {path: state for path, state in files.items() if real[path] not in taken}
            if new:
                kind.setdefault(folder.url, {}).update(new)
        taken.update(real.values())
    return found


def _real(folder: Folder, path: str) -> str:
    """One name for a file, however it was named."""
    full = folder.path(path)
    return os.path.realpath(full) if folder.local else folder.fs.unstrip_protocol(full)


def _in_folder(folder: Folder) -> tuple[dict[str, str], dict[str, str]]:
    """The shards of a folder, else its pictures."""
    if read_build(folder) is not None:
        return _packed(folder), {}
    walk = FolderWalk(folder.url, lambda subfolder: False)
    here = {file.path: file.state for file in walk}
    if gone := [path for path in walk.broken if path.lower().endswith(".tar")]:
        raise WebbodyError(
            f"{folder.url}/{plain_text(gone[0])}: is a link that leads nowhere; mend or remove it."
        )
    tars = {name: state for name, state in here.items() if name.lower().endswith(".tar")}
    if tars:
        return (_indexed(folder) if "index.json" in here else tars), {}
    walk = FolderWalk(folder.url)
    files = {file.path: file.state for file in walk}
    # Links that lead nowhere are pictures that cannot be read.
    files |= dict.fromkeys(walk.broken, BROKEN)
    pictures = {path: state for path, state in sorted(files.items()) if _is_picture(path)}
    if not pictures:
        raise WebbodyError(
            f"{folder.url}: holds no build, no .tar shards and no pictures ({_ENDINGS})."
        )
    return {}, pictures


def _file(folder: Folder, name: str, source: str) -> tuple[dict[str, str], dict[str, str]]:
    if folder.size(name) is None:
        raise WebbodyError(f"{source}: there is no such file or folder; check the path.")
    state = state_of(folder.fs.info(folder.path(name)))
    if name.lower().endswith(".tar"):
        return {name: state}, {}
    if _is_picture(name):
        return {}, {name: state}
    raise WebbodyError(f"{source}: is neither a picture ({_ENDINGS}) nor a .tar with samples.")


def _packed(folder: Folder) -> dict[str, str]:
    """The output shards of a build, as its commit records list them."""
    out = {}
    for shard in pack_shards(folder):
        record = committed(folder, PACK.name, shard)
        tar = f"{shard}.tar"
        if not intact(folder, record):
            raise WebbodyError(
                f"{folder.url}/{PACK.name}/{tar} is missing or has changed; run `webbody build` "
                "again to complete this folder."
            )
        out[f"{PACK.name}/{tar}"] = record.outputs[tar].sha256
    if not out:
        raise WebbodyError(f"{folder.url}: this build has no samples; `webbody status` says why.")
    return out


def _indexed(folder: Folder) -> dict[str, str]:
    """The shards that an index lists, as a build writes it beside them."""
    try:
        splits = json.loads(folder.read("index.json"))["splits"]
        shards = [shard for split in splits.values() for shard in split["shards"]]
        return {shard["name"]: shard["sha256"] for shard in shards}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WebbodyError(
            f"{folder.url}/index.json: is no index of shards; remove it to read every .tar."
        ) from error


def _is_picture(name: str) -> bool:
    return name.lower().endswith(tuple(SUFFIXES))
