"""The target folder of a release, which is created atomically."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from webbody.errors import WebbodyError
from webbody.releases.release import Release
from webbody.whole_folder import WholeFolder


class ReleaseTarget:
    """The folder `out`, which is not written before `named` ends."""

    def __init__(self, out: str) -> None:
        if "://" in out:
            raise WebbodyError(
                f"--out {out}: a release is written to a local folder first; give one, and --push "
                "to publish it."
            )
        self._folder = WholeFolder(out, "release")
        self.path = self._folder.path
        if not self.path.name:
            raise WebbodyError(f"--out {out}: name a folder that is not there yet.")

    def check_free(self, name: str, replace: bool) -> None:
        """Raise WebbodyError if the folder exists, except for a release that may be replaced."""
        if self._folder.is_free():
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
        with self._folder.written() as folder:
            yield folder
