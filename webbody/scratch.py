"""Temporary files and folders whose names say which process made them.

A killed process removes nothing. So whoever makes the next one there removes what processes of this
machine left that are no more; what others made stays.
"""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from webbody.processes import Process, this_process

#: webbody-<what>@<process>@<random>
_OURS = re.compile(r"\.?webbody-[a-z]+@(?P<process>[0-9]+-[0-9]+-[0-9]+)@.+")


def scratch_folder(
    what: str, place: str | os.PathLike[str] | None = None
) -> "tempfile.TemporaryDirectory[str]":
    """A temporary folder for a `with`, in `place` (without it in TMPDIR).

    what: names its purpose, in lower-case letters.
    """
    _sweep_once(str(place or tempfile.gettempdir()))
    return tempfile.TemporaryDirectory(prefix=_prefix(what), dir=place, ignore_cleanup_errors=True)


def scratch_file(what: str) -> tuple[int, str]:
    """An open descriptor and the path of a new file in TMPDIR, which its maker removes."""
    _sweep_once(tempfile.gettempdir())
    return tempfile.mkstemp(prefix=_prefix(what))


def left_behind(place: str | os.PathLike[str]) -> Iterator[Path]:
    """What ended processes of this machine and user made in a folder and did not remove."""
    with suppress(OSError), os.scandir(place) as entries:
        for entry in entries:
            found = _OURS.fullmatch(entry.name)
            if found is None or entry.is_symlink():
                continue
            with suppress(OSError):
                mine = not hasattr(os, "getuid") or entry.stat().st_uid == os.getuid()
                process = Process.parse(found["process"])
                here = process.namespace == this_process().namespace
                if mine and here and not process.is_alive:
                    yield Path(entry.path)


def sweep(place: str | os.PathLike[str]) -> None:
    """Remove `left_behind`."""
    for path in left_behind(place):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):
                path.unlink()


@lru_cache(maxsize=64)
def _sweep_once(place: str) -> None:
    sweep(place)


def _prefix(what: str) -> str:
    return f"webbody-{what}@{this_process()}@"
