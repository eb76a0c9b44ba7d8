"""A build's stages in this process, one after the other: to debug them, and to kill them quickly.

The same code runs as in Ray's workers; there is nothing to start, and nothing overlaps.
"""

from typing import Any

from pipelines.base.stage import ALL
from pipelines.engine import preflight
from pipelines.engine.executor import Assignment, OnEvent, Stages
from pipelines.engine.rows import Row, row_of
from pipelines.engine.worker import Worker
from pipelines.monitoring.metrics import BuildMetrics
from webbody.config import Resources


class InProcess:
    """An Executor without Ray."""

    def __init__(self, resources: Resources) -> None:
        """`resources` are those of a Ray, and tell nothing here."""

    def run_chain(self, stages: Stages, rows: list[Row], out: str, on_event: OnEvent) -> list[Row]:
        """Send rows through the stages; the rows that came out at the end."""
        for task, _ in stages:
            worker = _Worker(on_event, task, out, ())
            rows = [worker(row) for row in rows]
        return rows

    def run_once(
        self, stage: Assignment, out: str, shards: tuple[str, ...], on_event: OnEvent
    ) -> Row:
        """Run a stage that looks at the whole build."""
        return _Worker(on_event, stage[0], out, shards)(row_of(ALL))

    def problems(self, stages: Stages) -> dict[str, str]:
        """What keeps stages from starting: name -> a sentence."""
        return preflight.problems([task for task, _ in stages])

    def show(self, metrics: BuildMetrics) -> None:
        """There is nobody to show them to."""

    def close(self) -> None:
        """There is nothing to end."""


class _Worker(Worker):
    """One whose events are heard at once."""

    def __init__(self, on_event: OnEvent, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._emit = on_event  # type: ignore[method-assign, assignment]
