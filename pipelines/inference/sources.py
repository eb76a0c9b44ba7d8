"""What a user names as sources of people: finished builds, shards, pictures."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from model.shard_index import folder_of_shards, read_index
from webbody.errors import WebbodyError
from webbody.folder_walk import BROKEN, FolderWalk, state_of
from webbody.images import SUFFIXES
from webbody.plain_text import plain_text
from webbody.storage import Folder

_ENDINGS = ", ".join(sorted(SUFFIXES))


@dataclass(frozen=True)
class SourceFiles:
    """Files by folder (path or fsspec URL), each with a text that changes when the file changes.

    Paths are those inside the folder.
    """

    shards: dict[str, dict[str, str]] = field(default_factory=dict)
    pictures: dict[str, dict[str, str]] = field(default_factory=dict)


def find_sources(sources: Sequence[str]) -> SourceFiles:
    """The shards and pictures of sources (paths or fsspec URLs), in their order.

    A source is a build's folder (its committed samples), a .tar with samples, a folder of such
    shards, a picture, or a folder with pictures at any depth; hidden files are left out and links
    followed (`webbody.folder_walk`). What an earlier source has is not taken again. Raises
    WebbodyError for others.
    """
    found = SourceFiles()
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
    inside = folder_of_shards(folder.fs, folder.root).removeprefix(folder.root).strip("/")
    if inside and (packed := _indexed(folder, inside)) is not None:
        return packed, {}
    walk = FolderWalk(folder.url, lambda subfolder: False)
    here = {file.path: file.state for file in walk}
    if gone := [path for path in walk.broken if path.lower().endswith(".tar")]:
        raise WebbodyError(
            f"{folder.url}/{plain_text(gone[0])}: is a link that leads nowhere; fix or remove it."
        )
    tars = {name: state for name, state in here.items() if name.lower().endswith(".tar")}
    if tars:
        return _indexed(folder, "", next(iter(tars))) or tars, {}
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
        _indexed(folder, "", name)
        return {name: state}, {}
    if _is_picture(name):
        return {}, {name: state}
    raise WebbodyError(f"{source}: is neither a picture ({_ENDINGS}) nor a .tar with samples.")


def _indexed(folder: Folder, inside: str, shard: str = "") -> dict[str, str] | None:
    """The shards that the index in a subfolder lists, by path; None where there is none.

    Raises WebbodyError where they are of a build that is not finished, or not as it made them.
    """
    where = folder.path(inside)
    index = read_index(folder.fs, where, shard)
    if index is None:
        return None
    out = {}
    for entry in (entry for shards in index.values() for entry in shards):
        name = f"{inside}/{entry.name}" if inside else entry.name
        size = folder.size(name)
        if size is None or entry.bytes not in (None, size):
            raise WebbodyError(
                f"{folder.url}/{name} is missing or has changed; run `webbody build` again to "
                "complete this folder."
            )
        out[name] = entry.sha256 or state_of(folder.fs.info(folder.path(name)))
    if not out:
        raise WebbodyError(f"{folder.url}: this build has no samples; `webbody status` says why.")
    return out


def _is_picture(name: str) -> bool:
    return name.lower().endswith(tuple(SUFFIXES))
