"""The target folder of a release, which is created atomically."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from webbody.errors import WebbodyError
from webbody.releases.release import Release
from webbody.scratch import scratch_folder
from webbody.storage_errors import write_errors


class ReleaseTarget:
    """The folder `out`, which is not written before `named` ends."""

    def __init__(self, out: str) -> None:
        if "://" in out:
            raise WebbodyError(
                f"--out {out}: a release is written to a local folder first; give one, and --push "
                "to publish it."
            )
        self.path = Path(os.path.abspath(out))
        if not self.path.name:
            raise WebbodyError(f"--out {out}: name a folder that is not there yet.")
        self._old = self.path.parent / f".{self.path.name}.replaced"

    def check_free(self, name: str, replace: bool) -> None:
        """Raise WebbodyError if the folder exists, except for a release that may be replaced."""
        self._recover()
        if not self.path.exists() or (self.path.is_dir() and not any(self.path.iterdir())):
            return
        if not replace:
            raise WebbodyError(
                f"{self.path}: is there already; choose another --out, or pass --replace if it is "
                "an older release of the same name."
            )
        present = Release.read(self.path).info.name  # a WebbodyError where it is none
        if present != name:
            raise WebbodyError(
                f"{self.path}: is a release of {present}, not of {name}; choose another --out."
            )

    @contextmanager
    def named(self) -> Iterator[Path]:
        """A temporary folder beside `path`, renamed to it when the block ends without error."""
        self._recover()
        with write_errors(str(self.path.parent)):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            scratch = scratch_folder("release", self.path.parent)
        with scratch as folder:
            new = Path(folder) / "new"
            new.mkdir()
            yield new
            if self.path.exists():
                self.path.rename(self._old)
            new.rename(self.path)
        self._recover()

    def _recover(self) -> None:
        """Bring an older release back, or remove it where its replacement is whole."""
        if self._old.exists():
            if self.path.exists():
                shutil.rmtree(self._old, ignore_errors=True)
            else:
                self._old.rename(self.path)
