"""Walking folders of pictures and shards, with one rule for hidden files and links.

Left out are hidden and system files and folders, by the parts of a path *below* the folder that is
walked: a folder that itself lies under a hidden one is walked as any other. Links are followed.
"""

import os
import stat
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import fsspec
from fsspec import AbstractFileSystem

from webbody.errors import WebbodyError
from webbody.plain_text import plain_text

#: Files of operating systems, network disks and notebooks, in lower case. (macOS, Windows;
#: Synology, QNAP, NetApp; ext file systems; Python.)
_SYSTEM = frozenset(
    {
        "__macosx", "icon\r", "network trash folder", "temporary items",
        "thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin", "recycler",
        "system volume information",
        "@eadir", "@tmp", "#recycle", "#snapshot", "@recycle", "@recently-snapshot", "~snapshot",
        "lost+found", "__pycache__",
    }
)  # fmt: skip

#: Reasons of `FolderWalk.left_out`.
HIDDEN, BROKEN, AGAIN, SPECIAL = (
    "hidden",
    "broken link",
    "link to a folder that is read already",
    "no regular file",
)


@dataclass(frozen=True, slots=True)
class WalkedFile:
    """A file: its path below the walked folder (with `/`), and what tells it from others.

    real: the path without links, the same however the file was reached. state: a text that changes
    when the file changes.
    """

    path: str
    real: str
    state: str


@dataclass(frozen=True, slots=True)
class WalkedFolder:
    """A folder below the walked one ("" is that itself), its files by name, and its subfolders."""

    path: str
    files: list[WalkedFile]
    subfolders: int


class FolderWalk:
    """The files of a folder (path or fsspec URL) at any depth, in an order that is always the same.

    Each real folder is read once: first what lies in the folder itself, then what links lead to
    (links out of the folder into one that holds them are loops and not followed). Folder by folder,
    so that a large tree is never held whole. `enter(path)` says whether a subfolder is read.

    Iterating raises WebbodyError where a folder is missing or cannot be read. `left_out` counts
    what was left out, by reason; `broken` are the paths of links that lead nowhere. fs: the file
    system, where `url` is a path of it.
    """

    def __init__(
        self,
        url: str | os.PathLike[str],
        enter: Callable[[str], bool] = lambda path: True,
        fs: AbstractFileSystem | None = None,
    ) -> None:
        self.url = os.fspath(url).rstrip("/") or "/"
        self.left_out: Counter[str] = Counter()
        self.broken: list[str] = []
        self._enter = enter
        try:
            self._fs, root = (fs, self.url) if fs is not None else fsspec.core.url_to_fs(self.url)
        except (ValueError, ImportError) as error:
            raise WebbodyError(f"{plain_text(self.url)}: cannot be opened ({error}).") from error
        self._root = root.rstrip("/") or "/"
        self._local = is_local(self._fs)

    def __iter__(self) -> Iterator[WalkedFile]:
        for folder in self.folders():
            yield from folder.files

    def folders(self) -> Iterator[WalkedFolder]:
        """Every folder that is read, with its files."""
        return self._walk_disk() if self._local else self._walk_listings()

    def _walk_disk(self) -> Iterator[WalkedFolder]:
        top = os.path.realpath(self._root)
        seen: set[tuple[int, int]] = set()
        # Folders to read: path below the root, and real path. Those behind links come last.
        waiting = deque([("", top)])
        while waiting:
            stack = [waiting.popleft()]
            while stack:
                path, real = stack.pop()
                entries = self._scan(path, real, seen)
                if entries is None:
                    self.left_out[AGAIN] += 1
                    continue
                files: list[WalkedFile] = []
                inside: list[tuple[str, str]] = []
                linked: list[tuple[str, str]] = []
                for entry in entries:
                    below = f"{path}/{entry.name}" if path else entry.name
                    about = self._look(entry, below)
                    if about is None:
                        continue
                    link = entry.is_symlink()
                    target = os.path.realpath(entry.path) if link else f"{real}/{entry.name}"
                    if stat.S_ISREG(about.st_mode):
                        state = f"{about.st_size} {about.st_mtime}"  # as `state_of` writes it
                        files.append(WalkedFile(below, target, state))
                    elif not stat.S_ISDIR(about.st_mode):
                        self.left_out[SPECIAL] += 1
                    elif link and (_holds(target, real) or _holds(target, top)):
                        self.left_out[AGAIN] += 1
                    elif self._enter(below):
                        (linked if link else inside).append((below, target))
                yield WalkedFolder(path, files, len(inside) + len(linked))
                stack += reversed(inside)
                waiting += linked

    def _scan(
        self, path: str, real: str, seen: set[tuple[int, int]]
    ) -> list[os.DirEntry[str]] | None:
        """The entries of a folder by name; None where it was read before."""
        where = f"{self.url}/{path}" if path else self.url
        try:
            about = os.stat(real)
            if (about.st_dev, about.st_ino) in seen:
                return None
            seen.add((about.st_dev, about.st_ino))
            with os.scandir(real) as entries:
                return sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            raise _cannot_be_read(where, error) from error

    def _look(self, entry: os.DirEntry[str], below: str) -> os.stat_result | None:
        """What an entry is, links followed; None where it is left out."""
        if is_hidden(entry.name):
            self.left_out[HIDDEN] += 1
            return None
        try:
            return entry.stat()
        except OSError as error:
            if entry.is_symlink():
                self.left_out[BROKEN] += 1
                self.broken.append(below)
                return None
            if isinstance(error, FileNotFoundError):  # removed while we look
                return None
            raise _cannot_be_read(entry.path, error) from error

    def _walk_listings(self) -> Iterator[WalkedFolder]:
        """A file system that is known by its listings, such as an object store; no links there."""
        stack = [""]
        while stack:
            path = stack.pop()
            full = f"{self._root.rstrip('/')}/{path}" if path else self._root
            try:
                listed = self._fs.ls(full, detail=True)
            except OSError as error:
                where = f"{self.url}/{path}" if path else self.url
                raise _cannot_be_read(where, error) from error
            inside: list[str] = []
            files: list[WalkedFile] = []
            for name, info in sorted(_named(listed, full)):
                below = f"{path}/{name}" if path else name
                if is_hidden(name):
                    self.left_out[HIDDEN] += 1
                elif info["type"] != "directory":
                    real = self._fs.unstrip_protocol(info["name"])
                    files.append(WalkedFile(below, real, state_of(info)))
                elif self._enter(below):
                    inside.append(below)
            yield WalkedFolder(path, files, len(inside))
            stack += reversed(inside)


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is left out wherever data are looked for."""
    return name.startswith(".") or name.lower() in _SYSTEM


def is_local(fs: AbstractFileSystem) -> bool:
    """Whether a file system is this machine's own."""
    return "file" in (fs.protocol if isinstance(fs.protocol, tuple) else (fs.protocol,))


def state_of(info: Mapping[str, Any]) -> str:
    """Size and time of a file, whatever its file system calls them."""
    times = (info.get(name) for name in ("mtime", "LastModified", "updated", "ETag", "etag"))
    return f"{info.get('size')} {next((time for time in times if time is not None), '')}"


def _holds(folder: str, path: str) -> bool:
    """Whether `path` is `folder` or lies in it."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _named(listed: list[dict[str, Any]], full: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Base names of what a listing holds; object stores list a folder's own marker too."""
    for info in listed:
        name = info["name"].strip("/").removeprefix(full.strip("/")).strip("/")
        if name and "/" not in name:
            yield name, info


def _cannot_be_read(where: str, error: OSError) -> WebbodyError:
    if isinstance(error, FileNotFoundError):
        return WebbodyError(f"{plain_text(where)}: there is no such folder; check the path.")
    if isinstance(error, NotADirectoryError):
        return WebbodyError(f"{plain_text(where)}: is no folder; check the path.")
    return WebbodyError(
        f"{plain_text(where)}: this folder cannot be read ({error.strerror or error}); make it "
        "readable or move it out of the way."
    )
