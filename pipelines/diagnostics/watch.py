"""Warnings during a build, as soon as a stage is certain to drop nearly everything."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from typing import Any

from pipelines.diagnostics.ending import ENOUGH, NEARLY_ALL
from pipelines.engine.graph import PLAN
from pipelines.engine.worker import Event
from pipelines.outcomes import look_at

#: Rows after which a running stage is checked.
FIRST = 500


class DropMonitor:
    """Follows the events of a build; emits an event of the kind `warning` once per stage.

    A stage is checked after FIRST rows, or at its end after ENOUGH rows. Rows committed by earlier
    runs do not count.
    """

    def __init__(self, settings: Mapping[str, Any], emit: Callable[[Event], None]) -> None:
        self._settings, self._emit = settings, emit
        self._seen: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._open: Counter[str] = Counter()
        self._warned: set[str] = set()

    def on_event(self, event: Event) -> None:
        stage = event.stage
        if event.kind == "queued":
            self._open[stage] += event.counts["shards"]
        elif event.kind == "progress":
            self._seen[stage].update(event.counts)
            self._check(stage, FIRST)
        elif event.kind in ("done", "skipped", "failed"):
            if stage == PLAN.name:
                self._seen[stage].update(event.counts)
            self._open[stage] -= 1
            if self._open[stage] <= 0:
                self._check(stage, ENOUGH)

    def end(self) -> None:
        """Check stages whose end was not reported, because failed shards never reached them."""
        for stage in list(self._seen):
            self._check(stage, ENOUGH)

    def _check(self, stage: str, enough: int) -> None:
        seen = self._seen[stage]
        came, dropped = seen["in"], seen["in"] - seen["out"]
        if stage in self._warned or came < enough or dropped <= NEARLY_ALL * came:
            return
        self._warned.add(stage)
        outcomes = Counter({name: count for name, count in seen.items() if ":" in name})
        (outcome, count), *_ = outcomes.most_common(1) or [("no outcome", dropped)]
        message = (
            f"{stage} drops nearly all: {dropped:,} of {came:,} rows so far, {count:,} of them "
            f"{outcome}; {look_at(outcome, self._settings)}"
        )
        self._emit(Event(stage, "", "warning", dict(seen), message=message))
