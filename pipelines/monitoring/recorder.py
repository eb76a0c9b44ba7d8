"""Shows a build's metrics where they are looked at, every few seconds while something happens."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from pipelines.monitoring.meter import BuildMeter
from pipelines.monitoring.metrics import BuildMetrics

if TYPE_CHECKING:
    from pipelines.engine.worker import Event

#: Seconds between two moments that are shown: the first, and most, of a build of many hours.
_LEAST, _MOST = 5.0, 60.0
#: So many moments until they lie further apart.
_MANY = 500

#: Takes the metrics of a moment.
Show = Callable[[BuildMetrics], None]


class MetricsRecorder:
    """Takes the events of a build; from `begin` on it shows the metrics.

    Args:
        meter: Counts the events.
        least: Seconds between two moments at the beginning.
        clock: Seconds, of any beginning.
    """

    def __init__(
        self,
        meter: BuildMeter,
        least: float = _LEAST,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._meter, self._least, self._clock = meter, least, clock
        self._shows: tuple[Show, ...] = ()
        self._start = self._next = clock()
        self._run = ""
        self._busy: set[str] = set()

    def begin(self, run: str, *shows: Show) -> None:
        """Show the metrics by these from now on; `run` is the key of the lease."""
        self._run, self._shows = run, shows
        self._start = self._next = self._clock()
        self.show()

    def on_event(self, event: "Event") -> None:
        """Count an event, and show what is new when it is time, or a stage begins or ends."""
        self._meter.on_event(event)
        turns = self._turns(event)
        if self._shows and (turns or self._clock() >= self._next):
            self.show()

    def show(self) -> None:
        """Show the metrics as they are now."""
        if not self._shows:
            return
        metrics = self._meter.metrics(self._run)
        for show in self._shows:
            show(metrics)
        now = self._clock()
        self._next = now + min(_MOST, max(self._least, (now - self._start) / _MANY))

    def _turns(self, event: "Event") -> bool:
        """Whether a stage begins or ends with an event."""
        stage = event.stage
        if event.kind == "started" and stage not in self._busy:
            self._busy.add(stage)
            return True
        if stage in self._busy and self._meter.is_through(stage):
            self._busy.remove(stage)
            return True
        return False
