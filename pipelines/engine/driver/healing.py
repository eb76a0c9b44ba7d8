"""A build goes on by itself where its Ray, or a machine of it, is lost."""

import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeVar

from pipelines.engine.executor import Assignment, Executor, ExecutorLost, OnEvent, Stages
from pipelines.engine.rows import Row
from pipelines.engine.worker import Event
from pipelines.monitoring.metrics import BuildMetrics
from webbody.errors import WebbodyError
from webbody.plain_text import counted

#: Seconds before Ray is started again: it doubles with each try that got nothing done.
_FIRST_PAUSE, _LONGEST_PAUSE = 2.0, 120.0

T = TypeVar("T")


class SelfHealing:
    """An Executor that is made again when it is lost, and goes on with what is not done.

    Args:
        start: Makes an executor.
        restarts: How often in a row it is made again before anything got done; then ExecutorLost
            is the caller's.
        on_event: Gets a note at each loss.
        sleep: Waits that many seconds.
    """

    def __init__(
        self,
        start: Callable[[], Executor],
        restarts: int,
        on_event: OnEvent,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._start, self._restarts, self._on_event = start, restarts, on_event
        self._sleep = sleep
        self._losses = 0  # since something got done
        self._executor: Executor | None = start()

    def run_chain(self, stages: Stages, rows: list[Row], out: str, on_event: OnEvent) -> list[Row]:
        """Send rows through stages; a row that was lost with its machine is sent again."""
        done: set[tuple[str, str]] = set()
        ended: dict[str, Row] = {}

        def listen(event: Event) -> None:
            if event.kind == "done":
                done.add((event.stage, event.shard))
                self._losses = 0
            on_event(event)

        def send(executor: Executor) -> None:
            left = [_undone(row, done) for row in rows if row["shard"] not in ended]
            for row in executor.run_chain(stages, left, out, listen):
                ended[row["shard"]] = row

        self._persist(send)
        for _ in range(self._restarts):
            if len(ended) == len(rows):
                break
            lost = len(rows) - len(ended)
            was, it = ("was", "it") if lost == 1 else ("were", "them")
            again = "it is sent again" if lost == 1 else "they are sent again"
            self._note(
                f"{counted(lost, 'shard')} {was} lost with the machine that worked on {it}; "
                f"{again}."
            )
            self._persist(send)
        return list(ended.values())

    def run_once(
        self, stage: Assignment, out: str, shards: tuple[str, ...], on_event: OnEvent
    ) -> Row:
        """Run a stage that looks at the whole build, again where it is lost."""
        return self._persist(lambda executor: executor.run_once(stage, out, shards, on_event))

    def problems(self, stages: Stages) -> dict[str, str]:
        """What keeps stages from starting where they would run: name -> a sentence."""
        return self._persist(lambda executor: executor.problems(stages))

    def show(self, metrics: BuildMetrics) -> None:
        """Show metrics in the Ray that there is."""
        if self._executor is not None:
            self._executor.show(metrics)

    def close(self) -> None:
        """End what was started."""
        if self._executor is not None:
            self._executor.close()
            self._executor = None

    def _persist(self, work: Callable[[Executor], T]) -> T:
        """Do the work with an executor, with another one where the first is lost."""
        while True:
            try:
                if self._executor is None:
                    self._executor = self._started_again()
                value = work(self._executor)
                self._losses = 0
                return value
            except ExecutorLost as error:
                self.close()
                self._losses += 1
                if self._losses > self._restarts:
                    raise ExecutorLost(
                        f"{error.sentence} It was started again {self._restarts} times and got "
                        "nothing done; what is committed is kept: look at the machine (memory, "
                        "/tmp, build.log), then run the same command again."
                    ) from error
                pause = min(_FIRST_PAUSE * 2 ** (self._losses - 1), _LONGEST_PAUSE)
                self._note(
                    f"{error.sentence} What is committed is kept; the build goes on in "
                    f"{pause:.0f} s (try {self._losses} of {self._restarts}).",
                    {"restarts": 1},
                )
                self._sleep(pause)

    def _started_again(self) -> Executor:
        """It ran before with the same settings, so what is wrong now may pass."""
        try:
            return self._start()
        except WebbodyError as error:
            raise ExecutorLost(str(error)) from error

    def _note(self, text: str, counts: Mapping[str, int] = MappingProxyType({})) -> None:
        self._on_event(Event("ray", "", "note", dict(counts), message=text))


def _undone(row: Row, done: set[tuple[str, str]]) -> Row:
    """A row without the stages that it was to do again and has done."""
    shard = row["shard"]
    force = [stage for stage in row["force"] if (stage, shard) not in done]
    again = [stage for stage in row["again"] if (stage, shard) not in done]
    return {**row, "force": force, "again": again}
