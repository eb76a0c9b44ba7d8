"""Where an export goes: a local folder that appears whole, or a store's, with a mark of its own."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from webbody.checked_json import checked_json
from webbody.errors import WebbodyError
from webbody.json_text import parse_json
from webbody.storage import Folder
from webbody.storage_errors import write_errors
from webbody.whole_folder import WholeFolder

#: What every export says of itself. In a store it says `complete: false` while it is written.
MARK = "export.json"


class ExportTarget:
    """The folder or URL `out`, which must be new or empty, or an export that may be replaced."""

    def __init__(self, out: str) -> None:
        # Not a link to an older export: that would be replaced, and the export stay.
        self._folder = Folder(os.path.realpath(out) if Folder(out).local else out)
        self._whole = WholeFolder(self._folder.path(), "export") if self._folder.local else None

    def check_apart(self, build: str) -> None:
        """Raise WebbodyError where one of export and build would lie inside the other."""
        out, other = (f"{place.rstrip('/')}/" for place in (self._place(), _place(Folder(build))))
        if out.startswith(other) or other.startswith(out):
            raise WebbodyError(
                f"{self._folder.url}: lies inside the build, or around it, where no takedown would "
                "find what is exported; choose another folder."
            )

    def _place(self) -> str:
        return _place(self._folder)

    def check_free(self, replace: bool) -> None:
        """Raise WebbodyError where anything else than a replaceable export is there."""
        if self._whole is not None:
            if self._whole.is_free():
                return
        elif not self._folder.names():
            return
        if not replace:
            raise WebbodyError(
                f"{self._folder.url}: is not empty; choose another folder, or pass --replace if it "
                "is an older export."
            )
        if (said := self._mark()) is None:
            raise WebbodyError(
                f"{self._folder.url}: is no export ({MARK} is missing or is another file), so it "
                "is not replaced; choose another folder."
            )
        others = set(self._folder.names()) - {MARK, *said.get("entries", ())}
        if others and said.get("complete"):
            raise WebbodyError(
                f"{self._folder.url}: holds more than an export ({', '.join(sorted(others)[:3])}), "
                "so it is not replaced; choose another folder."
            )

    def _mark(self) -> dict[str, Any] | None:
        """What the export there says of itself; None where it is none."""
        try:
            said = parse_json(self._folder.read(MARK))
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return None
        return said if isinstance(said, dict) and {"complete", "format"} <= said.keys() else None

    @contextmanager
    def written(self, about: Mapping[str, Any]) -> Iterator[tuple[Folder, dict[str, Any]]]:
        """The folder to write to, and what its mark will say beside `about`, to be filled in.

        Locally `out` gets its content when the block ends without an error. In a store, where no
        folder can be renamed, the mark tells a whole export from one that was stopped.
        """
        said = dict(about)
        if self._whole is not None:
            with self._whole.written() as path:
                folder = Folder(path)
                yield folder, said
                _finish(folder, said)
            return
        folder = self._folder
        if folder.names():
            with write_errors(folder.url):
                folder.fs.rm(folder.root, recursive=True)
        folder.write_bytes(MARK, checked_json({**said, "complete": False}))
        yield folder, said
        _finish(folder, said)


def _finish(folder: Folder, said: Mapping[str, Any]) -> None:
    """Say that it is whole, and what it consists of."""
    entries = [name for name in folder.names() if name != MARK]
    folder.write_bytes(MARK, checked_json({**said, "entries": entries, "complete": True}))


def _place(folder: Folder) -> str:
    """Where a folder really lies."""
    return os.path.realpath(folder.path()) if folder.local else folder.url
