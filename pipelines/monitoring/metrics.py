"""The metrics of a build at one moment; no person, no URL and no file can be told from them."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from pydantic import TypeAdapter

from webbody.json_text import parse_json


@dataclass(frozen=True)
class GpuMetrics:
    """A GPU: share of the time in which it computed (0..1), bytes in use and in all."""

    utilization: float
    memory: int
    memory_total: int


@dataclass(frozen=True)
class StageMetrics:
    """A stage: shards now; rows, bytes and seconds of this run.

    Attributes:
        shards: Shards that it is to do in all; None while nobody knows.
        done: Of these the committed ones, also by earlier runs.
        running: Being worked on.
        waiting: Not begun, though the stage before is done with them.
        failed: Given up in this run.
        rows_in: Rows of the shards done in this run.
        rows_out: Of these, rows that passed.
        bytes: Written by these shards.
        seconds: Of the workers that did them.
        retries: Tries of shards after a worker had died.
        images_per_second: Photos decided a second in the last minute; None where nothing runs, or
            before the first.
        eta: Seconds until every shard is done, as the last hundred went; None where none has ended.
        outcomes: Photos that were dropped, by outcome.
        gpus: The GPUs of its workers, by the beginning of their UUID; none where there are none.
    """

    shards: int | None = None
    done: int = 0
    running: int = 0
    waiting: int = 0
    failed: int = 0
    rows_in: int = 0
    rows_out: int = 0
    bytes: int = 0
    seconds: float = 0.0
    retries: int = 0
    images_per_second: float | None = None
    eta: float | None = None
    outcomes: dict[str, int] = field(default_factory=dict)
    gpus: dict[str, GpuMetrics] = field(default_factory=dict)

    @property
    def is_running(self) -> bool:
        """Whether shards are under way or wait."""
        return bool(self.running or self.waiting)


@dataclass(frozen=True)
class BuildMetrics:
    """A build.

    Attributes:
        build: The name of its folder, without the path.
        run: The key of the lease under which the build runs.
        began: When the run began, UTC, by the clock of the build's machine.
        time: When these were taken.
        elapsed: Seconds between the two.
        restarts: How often its Ray was started or joined again.
        stages: By name, in the order in which data flows; those that the run has come to.
    """

    build: str
    run: str
    began: str
    time: str
    elapsed: float
    restarts: int = 0
    stages: dict[str, StageMetrics] = field(default_factory=dict)

    def to_json(self) -> bytes:
        """One line; of a stage what is not zero."""
        values = asdict(self)
        values["stages"] = {name: _told(stage) for name, stage in values["stages"].items()}
        return json.dumps(values).encode() + b"\n"

    @classmethod
    def from_json(cls, line: bytes) -> "BuildMetrics":
        """Parse a line; ValueError where it is none."""
        return _LINES.validate_python(parse_json(line))


def _told(stage: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: round(value, 3) if isinstance(value, float) else value
        for name, value in stage.items()
        if name in ("shards", "done") or (value is not None and value != {} and value != 0)
    } | {name: stage[name] for name in ("images_per_second", "eta") if stage[name] == 0}


_LINES = TypeAdapter(BuildMetrics)
