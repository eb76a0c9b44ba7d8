"""Counting what becomes of the photos of a shard while a stage works on it."""

import time
from collections import Counter
from collections.abc import Callable, Mapping

#: Takes counts of photos: `in`, `out`, and each outcome.
Report = Callable[[Mapping[str, int]], None]

#: Seconds between two reports: often enough for who watches, and nothing beside the work.
INTERVAL = 1.0


class PhotoTally:
    """Counts of photos since the last report, which is made at most once in INTERVAL seconds.

    Stages add what they have decided, in the order of their rows; what is counted here changes
    nothing that they write.
    """

    def __init__(self, report: Report | None = None) -> None:
        self._report = report
        self._counts: Counter[str] = Counter()
        self._photo: str | None = None
        self._outcome: str | None = None
        self._next = time.monotonic() + INTERVAL

    def add(self, photo: str, outcome: str | None) -> None:
        """Note what became of a photo, or of one of its persons; None: it goes on.

        The persons of a photo come one after the other. It goes on if any of them does, else it
        has the outcome of the first.
        """
        if self._report is None:
            return
        if photo == self._photo:
            self._outcome = self._outcome and outcome and self._outcome
            return
        self._count()
        self._photo, self._outcome = photo, outcome
        if time.monotonic() >= self._next:
            self._send()

    def finish(self) -> None:
        """Report what is left."""
        self._count()
        self._photo = None
        self._send()

    def _count(self) -> None:
        if self._photo is not None:
            self._counts["in"] += 1
            self._counts[self._outcome or "out"] += 1

    def _send(self) -> None:
        if self._report is not None and self._counts:
            self._report(dict(self._counts))
        self._counts.clear()
        self._next = time.monotonic() + INTERVAL
