"""The target folder of a release, which is created atomically."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from webbody.errors import WebbodyError
from webbody.releases.release import Release
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

    def check_free(self, name: str, replace: bool) -> None:
        """Raise WebbodyError if the folder exists, except for a release that may be replaced."""
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
        with write_errors(str(self.path.parent)):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            folder = Path(tempfile.mkdtemp(".tmp", f".{self.path.name}.", self.path.parent))
        try:
            new, old = folder / "new", folder / "old"
            new.mkdir()
            yield new
            if self.path.exists():
                self.path.rename(old)
            new.rename(self.path)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
