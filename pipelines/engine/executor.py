"""What runs a build's stages: Ray in this process, in one of its own, or what tests use."""

from collections.abc import Callable
from typing import Protocol

from pipelines.engine.graph import StageTask
from pipelines.engine.rows import Row
from pipelines.engine.worker import Event
from pipelines.monitoring.metrics import BuildMetrics
from webbody.config import StageResources
from webbody.errors import EXIT_INCOMPLETE, WebbodyError

OnEvent = Callable[[Event], None]
#: A stage with what its workers may use.
Assignment = tuple[StageTask, StageResources]
#: Those of a chain, in order.
Stages = list[Assignment]


class ExecutorLost(WebbodyError):
    """Ray, or what it ran on, is gone in the middle of something; what is committed is kept."""

    exit_code = EXIT_INCOMPLETE


class Executor(Protocol):
    """Runs stages on shards. Everything but `close` raises ExecutorLost where it has gone away."""

    def run_chain(self, stages: Stages, rows: list[Row], out: str, on_event: OnEvent) -> list[Row]:
        """Send rows through stages, which overlap; the rows that came out at the end."""

    def run_once(
        self, stage: Assignment, out: str, shards: tuple[str, ...], on_event: OnEvent
    ) -> Row:
        """Run a stage that looks at the whole build; `shards` are those it reads."""

    def problems(self, stages: Stages) -> dict[str, str]:
        """What keeps stages from starting where they would run: name -> a sentence."""

    def show(self, metrics: BuildMetrics) -> None:
        """Show a build's metrics where this is watched; never fails."""

    def close(self) -> None:
        """End what it started."""
