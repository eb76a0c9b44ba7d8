"""A local folder that appears whole or not at all, and may take an older one's place."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from webbody.scratch import scratch_folder
from webbody.storage_errors import write_errors


class WholeFolder:
    """The folder `path`, which is not touched before `written` ends.

    Args:
        path: Where it will lie.
        purpose: What it is, in lower-case letters, for the name of the temporary folder beside it.
    """

    def __init__(self, path: str | os.PathLike[str], purpose: str) -> None:
        self.path = Path(os.path.abspath(path))
        self._purpose = purpose
        self._old = self.path.parent / f".{self.path.name}.replaced"

    def is_free(self) -> bool:
        """Whether nothing is there, or an empty folder; first, an interrupted move is undone."""
        self._recover()
        return not self.path.exists() or (self.path.is_dir() and not any(self.path.iterdir()))

    @contextmanager
    def written(self) -> Iterator[Path]:
        """A temporary folder beside `path`, renamed to it when the block ends without error."""
        self._recover()
        with write_errors(str(self.path.parent)):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            scratch = scratch_folder(self._purpose, self.path.parent)
        with scratch as folder:
            new = Path(folder) / "new"
            new.mkdir()
            yield new
            if self.path.exists():
                self.path.rename(self._old)
            new.rename(self.path)
        self._recover()

    def _recover(self) -> None:
        """Bring an older folder back, or remove it where its replacement is whole."""
        if self._old.exists():
            if self.path.exists():
                shutil.rmtree(self._old, ignore_errors=True)
            else:
                self._old.rename(self.path)
