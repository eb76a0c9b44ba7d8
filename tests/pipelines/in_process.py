"""A build's stages in this process instead of Ray's: no workers to start, the same code in them."""

from collections.abc import Callable
from typing import Any

from pipelines.engine import preflight
from pipelines.engine.graph import StageTask
from pipelines.engine.worker import Event, Worker
from webbody.config import Resources, StageResources

Hear = Callable[[Event], None]
Stages = list[tuple[StageTask, StageResources]]


class InProcess:
    """Stands where `pipelines.engine.cluster.Cluster` does; a stage after the other."""

    def __init__(self, resources: Resources) -> None:
        pass

    def run_chain(self, stages: Stages, rows: list[dict[str, Any]], out: str, hear: Hear) -> list:
        for task, _ in stages:
            worker = _Worker(hear, task, out, ())
            rows = [worker(row) for row in rows]
        return rows

    def run_once(
        self,
        task: StageTask,
        resources: StageResources,
        row: dict[str, Any],
        out: str,
        shards: tuple[str, ...],
        hear: Hear,
    ) -> dict[str, Any]:
        return _Worker(hear, task, out, shards)(row)

    def problems(self, stages: Stages) -> dict[str, str]:
        return preflight.problems([task for task, _ in stages])

    def close(self) -> None:
        pass


class _Worker(Worker):
    """One whose events are heard at once."""

    def __init__(self, hear: Hear, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._emit = hear  # type: ignore[method-assign]
