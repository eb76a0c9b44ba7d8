"""Counts of the outcomes of a shard's photos while a stage processes it."""

import time
from collections import Counter
from collections.abc import Callable, Mapping

#: Takes counts of photos: `in`, `out`, and each outcome.
Report = Callable[[Mapping[str, int]], None]

#: Seconds between two reports.
INTERVAL = 1.0


class PhotoTally:
    """Counts photos and reports at most once in INTERVAL seconds.

    Stages add decisions in the order of their rows; the counts change no output.
    """

    def __init__(self, report: Report | None = None) -> None:
        self._report = report
        self._counts: Counter[str] = Counter()
        self._photo: str | None = None
        self._outcome: str | None = None
        self._next = time.monotonic() + INTERVAL

    def add(self, photo: str, outcome: str | None) -> None:
        """Count a photo, or one of its persons; outcome None: it passes.

        The persons of a photo are added consecutively. The photo passes if any of
        them does, else it has the outcome of the first.
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
        """Report the remaining counts."""
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
