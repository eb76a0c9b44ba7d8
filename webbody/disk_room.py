"""Room on the disks that a worker writes to: waited for before a shard, watched while it runs."""

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from webbody.errors import WebbodyError

_GB = 1e9
#: Seconds that room is waited for, and between two looks.
_PATIENCE, _PAUSE = 600.0, 5.0
#: Bytes that are written between two looks.
STEP = 1 << 25


class DiskRoom:
    """The free space where a worker's files lie: of a local `out`, and of TMPDIR.

    Args:
        places: Folders that are written to; they need not exist yet.
        keep: Bytes that are to stay free. Half of them are the reserve of shards that run already.
        patience: Seconds to wait for room before a shard.
    """

    def __init__(self, places: Iterable[str], keep: int, patience: float = _PATIENCE) -> None:
        self._places = tuple(dict.fromkeys(places))
        self._keep, self._patience = keep, patience
        self._largest = 0

    @classmethod
    def of(cls, out: str | None, keep: int) -> "DiskRoom":
        """Of a worker whose folder is `out`, None where that is in an object store."""
        return cls([*([out] if out is not None else ()), tempfile.gettempdir()], keep)

    def wait(self, on_wait: Callable[[str], None]) -> None:
        """Wait until another shard of the size of those before has room.

        on_wait: gets a sentence where room is waited for.

        Raises WebbodyError where there is none in time, and from then on at once.
        """
        needed = self._keep + self._largest
        if (lack := self._lack(needed)) is None:
            return
        if any(shutil.disk_usage(_existing(place)).total < needed for place in self._places):
            self._patience = 0.0  # no disk of this size ever has that room
        if self._patience:
            on_wait(f"{lack}; waiting up to {self._patience:.0f} s for room.")
        deadline = time.monotonic() + self._patience
        while time.monotonic() < deadline:
            time.sleep(min(_PAUSE, self._patience))
            if self._lack(needed) is None:
                return
        self._patience = 0.0
        self._refuse(needed)

    def check(self) -> None:
        """WebbodyError where a shard that runs would fill a disk."""
        self._refuse(self._keep // 2)

    def wrote(self, count: int) -> None:
        """Note how large a shard became."""
        self._largest = max(self._largest, count)

    def _refuse(self, needed: int) -> None:
        if (lack := self._lack(needed)) is not None:
            raise WebbodyError(
                f"{lack}: everything committed so far is kept; make room (resources.evict removes "
                "what is used up) or lower resources.free_disk, and run the same command again."
            )

    def _lack(self, needed: int) -> str | None:
        """Which disk has too little room."""
        for place in self._places:
            free = shutil.disk_usage(_existing(place)).free
            if free < needed:
                return f"{place} has {free / _GB:.1f} GB free, and {needed / _GB:.1f} GB are needed"
        return None


def _existing(place: str) -> Path:
    """The folder itself, or the nearest that is there."""
    path = Path(os.path.abspath(place))
    return next(folder for folder in (path, *path.parents) if folder.exists())
