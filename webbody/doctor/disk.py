"""Checks of the output folder: space, permissions, atomic renames."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from webbody.doctor.diagnosis import OK, PROBLEM, SKIPPED, WARNING, Diagnosis
from webbody.scratch import scratch_folder

_GB = 1e9
#: Bytes on disk for each row of a manifest: image, crops and final sample, images of the web.
_PER_ROW = 500_000
_LEAST = 2 * _GB


def room(out: str, rows: int = 0, free: float | None = None) -> Iterator[Diagnosis]:
    """Free space at `out`, compared with the estimate for `rows` URLs."""
    if "://" in out:
        yield Diagnosis(SKIPPED, "disk", f"{out} is remote storage: its room is not known here")
        return
    free = shutil.disk_usage(_existing(out)).free if free is None else free
    needed = max(rows * _PER_ROW, _LEAST)
    text = f"{free / _GB:.1f} GB free" + (
        f", about {rows * _PER_ROW / _GB:.1f} GB for {rows:,} URLs" if rows else ""
    )
    advice = "Choose another --out, or set resources.evict=true, which removes what is used up."
    fits = free >= needed
    state = OK if fits else WARNING if free >= _LEAST else PROBLEM
    yield Diagnosis(state, "disk", text, "" if fits else advice)


def file_system(out: str) -> Iterator[Diagnosis]:
    """Whether files can be written, flushed and renamed over others, as every commit does."""
    if "://" in out:
        yield Diagnosis(SKIPPED, "write", f"{out} is remote storage: the build tries it first")
        return
    place = _existing(out)
    if not place.is_dir():
        yield Diagnosis(PROBLEM, "write", f"{place} is a file", "Choose another --out.")
        return
    try:
        with scratch_folder("doctor", place) as folder:
            file, final = Path(folder, "new"), Path(folder, "final")
            final.write_bytes(b"old")
            with file.open("wb") as opened:
                opened.write(b"new")
                opened.flush()
                os.fsync(opened.fileno())
            os.replace(file, final)
            with contextlib.suppress(OSError):  # some systems cannot flush folders
                descriptor = os.open(folder, os.O_RDONLY)
                os.fsync(descriptor)
                os.close(descriptor)
            if final.read_bytes() != b"new":
                raise OSError("a renamed file still has its old content")
    except OSError as error:
        advice = "Choose a folder of your own on a local or POSIX file system."
        yield Diagnosis(PROBLEM, "write", f"{place}: {error.strerror or error}", advice)
        return
    yield Diagnosis(OK, "write", f"{place}: files can be written, flushed and renamed")


def _existing(out: str) -> Path:
    """The nearest existing parent folder."""
    place = Path(out).expanduser().absolute()
    return next(folder for folder in (place, *place.parents) if folder.exists())
