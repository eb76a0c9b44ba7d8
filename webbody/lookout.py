"""Seeing from outside whether somebody builds in a folder."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from webbody.errors import WebbodyError
from webbody.lease_holder import MISSED, Holder, beat_of, lives_here, read_holder
from webbody.storage import Folder


@dataclass(frozen=True)
class Sighting:
    """The holder of a folder, as it was found.

    Attributes:
        holder: Who writes there.
        silent: Seconds since a sign of its life was seen; None where none was yet.
        alive: Whether it is taken to live.
    """

    holder: Holder
    silent: float | None
    alive: bool


class Lookout:
    """Sees whether a folder's holder lives, from outside and without waiting.

    Args:
        folder: What is written in.
        beat: Seconds between two signs of life.
        clock: Seconds, of any beginning.
    """

    def __init__(
        self,
        folder: Folder,
        beat: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder, self._clock = folder, clock
        self._beat = beat or beat_of(folder)
        self._found: Holder | None = None
        self._since = clock()
        self._seen = False

    def look(self) -> Sighting | None:
        """Who holds the folder now; None where nobody does.

        Raises WebbodyError or OSError where the first look fails; a later one that fails sees no
        sign of life.
        """
        try:
            found = read_holder(self._folder)
        except (OSError, WebbodyError):
            if self._found is None:
                raise
            found = self._found  # the store or disk may be away for a moment
        if found is None:
            return None
        now = self._clock()
        if found != self._found:
            self._seen = self._found is not None
            self._found, self._since = found, now
        if (here := lives_here(found)) is not None:
            return Sighting(found, 0.0 if here else None, here)
        silent = now - self._since
        return Sighting(found, silent if self._seen else None, silent <= self._beat * MISSED)
