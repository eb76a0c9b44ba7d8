"""Atomic changes of many files of a folder.

New contents are written beside, into `.takedown/`; then a list of what is to be done; only then are
files put in place. Whoever finds a list goes on with it: doing it twice does no harm.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from webbody.storage import Folder

_ROOM = ".takedown"
_LIST = f"{_ROOM}/list.json"


class StagedChanges:
    """New contents and removals of files of a folder, until `carry_out` puts them in place."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._written: list[str] = []
        self._removed: list[str] = []

    @contextmanager
    def write(self, name: str) -> Iterator[IO[bytes]]:
        """Write the new content of a file, by its name in the folder."""
        with self._folder.write(_beside(name)) as file:
            yield file
        self._written.append(name)

    def write_bytes(self, name: str, data: bytes) -> None:
        """The new content of a small file."""
        with self.write(name) as file:
            file.write(data)

    def remove(self, name: str) -> None:
        """Remove a file."""
        self._removed.append(name)

    def carry_out(self) -> None:
        """Put everything in place."""
        todo = {"written": self._written, "removed": self._removed}
        self._folder.write_bytes(_LIST, json.dumps(todo, indent=1).encode())
        go_on(self._folder)


def go_on(folder: Folder) -> bool:
    """Finish changes that were begun, if any; without a list, sweep what was written for one."""
    try:
        todo = json.loads(folder.read(_LIST))
    except FileNotFoundError:
        _sweep(folder)
        return False
    for name in todo["removed"]:
        folder.remove(name)
    for name in todo["written"]:
        if folder.size(_beside(name)) is not None:
            folder.move(_beside(name), name)
    folder.remove(_LIST)
    _sweep(folder)
    return True


def _beside(name: str) -> str:
    return f"{_ROOM}/files/{name}"


def _sweep(folder: Folder) -> None:
    if folder.fs.exists(folder.path(_ROOM)):
        folder.fs.rm(folder.path(_ROOM), recursive=True)
