"""The metrics of a build, from the events that pass through it."""

import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pipelines.monitoring.metrics import BuildMetrics, GpuMetrics, StageMetrics

if TYPE_CHECKING:
    from pipelines.engine.worker import Event

#: Seconds over which images a second are counted, and in which a GPU is looked at again.
_WINDOW = 60.0
#: Shards over which the time that is left is reckoned.
_LAST = 100
#: Outcomes of a stage that are told apart, as filters of users may have any number.
_OUTCOMES, _OTHER = 100, "other"


class BuildMeter:
    """Counts what the events tell.

    Args:
        build: The name of the build's folder.
        steps: The names of the stages; those of a step overlap, each takes what the one before
            has done.
        clock: Seconds, of any beginning.
    """

    def __init__(
        self,
        build: str,
        steps: Iterable[Sequence[str]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._build, self._clock, self._start = build, clock, clock()
        self._began = _now()
        self._restarts = 0
        self._stages: dict[str, _StageMeter] = {}
        for step in steps:
            before = None
            for name in step:
                self._stages[name] = before = _StageMeter(before)

    def expect(self, stage: str, shards: Collection[str] | None, to_do: Iterable[str]) -> None:
        """A stage is to do these shards; of all those it has (None: as before)."""
        meter, to_do = self._stages[stage], set(to_do)
        if shards is not None:
            meter.shards, meter.done = len(shards), set(shards)
        meter.done -= to_do
        meter.failed -= to_do
        meter.to_do = to_do

    def is_through(self, stage: str) -> bool:
        """Whether a stage has nothing more to do."""
        return not self._stages[stage].to_do

    def on_event(self, event: "Event") -> None:
        """Count an event."""
        if restarts := event.counts.get("restarts", 0):
            self._restarts += restarts
            for stage in self._stages.values():
                stage.running.clear()  # lost with their workers
        meter = self._stages.get(event.stage)
        if meter is not None:
            meter.on_event(event, self._clock())

    def metrics(self, run: str = "") -> BuildMetrics:
        """The metrics now, of the stages that something is known of."""
        now = self._clock()
        return BuildMetrics(
            build=self._build,
            run=run,
            began=self._began,
            time=_now(),
            elapsed=round(now - self._start, 1),
            restarts=self._restarts,
            stages={n: meter.metrics(now) for n, meter in self._stages.items() if meter.is_known},
        )


class _StageMeter:
    """One stage; `before` is the stage whose shards it takes as soon as they are done."""

    def __init__(self, before: "_StageMeter | None") -> None:
        self.before = before
        self.shards: int | None = None
        self.to_do: set[str] = set()  # and not at its end
        self.done: set[str] = set()
        self.failed: set[str] = set()
        self.running: dict[str, Counter[str]] = {}  # photos of the shards under way
        self._sums: Counter[str] = Counter()
        self._seconds = 0.0
        self._outcomes: Counter[str] = Counter()
        self._ends: deque[float] = deque(maxlen=_LAST + 1)  # of shards; first, when it began
        self._photos = 0
        self._rate: deque[tuple[float, int]] = deque()  # when, and photos until then
        self._gpus: dict[str, tuple[float, GpuMetrics]] = {}  # and when it was looked at

    @property
    def is_known(self) -> bool:
        return self.shards is not None or bool(self.done or self.running or self.failed)

    def on_event(self, event: "Event", now: float) -> None:
        shard = event.shard
        match event.kind:
            case "started":
                self._sums["retries"] += event.counts.get("tries", 0) > 0
                self.running[shard] = Counter()
                if not self._ends:
                    self._ends.append(now)
                self._saw(0, now)
            case "progress":
                self.running.setdefault(shard, Counter()).update(event.counts)
                self._saw(event.counts.get("in", 0), now)
            case "done":
                self._end(event, now)
            case "skipped":
                self._take(shard, self.done)
            case "failed":
                self._take(shard, self.failed)
            case "gpu":
                counts = event.counts
                gpu = GpuMetrics(
                    counts["utilization"] / 100, counts["memory"], counts["memory_total"]
                )
                self._gpus[event.message] = (now, gpu)

    def _end(self, event: "Event", now: float) -> None:
        photos = self._take(event.shard, self.done)
        if not photos:  # a stage that counts at its end alone
            photos.update(event.counts)
            self._saw(photos["in"], now)
        self._sums.update(
            {"in": event.counts.get("in", 0), "out": event.counts.get("out", 0)}
            | {"bytes": event.bytes}
        )
        self._seconds += event.seconds
        self._outcomes.update(_dropped(photos))
        self._ends.append(now)

    def _take(self, shard: str, to: set[str]) -> Counter[str]:
        """A shard has come to its end; the photos that were counted."""
        for shards in (self.to_do, self.done, self.failed):
            shards.discard(shard)
        to.add(shard)
        return self.running.pop(shard, Counter())

    def metrics(self, now: float) -> StageMetrics:
        outcomes = sum((_dropped(photos) for photos in self.running.values()), self._outcomes)
        return StageMetrics(
            shards=self.shards,
            done=len(self.done),
            running=len(self.running),
            waiting=self._waiting(),
            failed=len(self.failed),
            rows_in=self._sums["in"],
            rows_out=self._sums["out"],
            bytes=self._sums["bytes"],
            seconds=self._seconds,
            retries=self._sums["retries"],
            images_per_second=self._images_per_second(now),
            eta=self._eta(now),
            outcomes=_most(outcomes),
            gpus={n: gpu for n, (at, gpu) in self._gpus.items() if now - at < _WINDOW},
        )

    def _waiting(self) -> int:
        came = self.to_do if self.before is None else self.to_do & self.before.done
        return len(came - self.running.keys())

    def _left(self) -> int:
        """Shards that will still come: not those that an earlier stage gave up."""
        lost, before = set[str](), self.before
        while before is not None:
            lost |= before.failed
            before = before.before
        return len(self.to_do - lost)

    def _eta(self, now: float) -> float | None:
        if not self._left():
            return 0.0 if self.is_known else None
        if len(self._ends) < 2:
            return None
        own = self._left() * (now - self._ends[0]) / (len(self._ends) - 1)
        earlier = self.before and self.before._eta(now)
        return max(own, earlier or 0.0)

    def _saw(self, photos: int, now: float) -> None:
        self._photos += photos
        if len(self._rate) > 1 and now - self._rate[-2][0] < 1.0:
            self._rate.pop()  # not more than one a second is kept
        self._rate.append((now, self._photos))

    def _images_per_second(self, now: float) -> float | None:
        if not self.running or not self._photos:  # some stages count at the end of a shard alone
            return None
        while len(self._rate) > 1 and self._rate[1][0] <= now - _WINDOW:
            self._rate.popleft()
        first, photos = self._rate[0] if self._rate else (now, 0)
        seconds = min(now - first, _WINDOW)
        return (self._photos - photos) / seconds if seconds > 0 else None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _dropped(photos: Counter[str]) -> Counter[str]:
    return Counter({name: count for name, count in photos.items() if ":" in name and count > 0})


def _most(outcomes: Counter[str]) -> dict[str, int]:
    """The most frequent outcomes, and the sum of all others."""
    most = dict(outcomes.most_common(_OUTCOMES))
    if others := outcomes.total() - sum(most.values()):
        most[_OTHER] = others
    return most
