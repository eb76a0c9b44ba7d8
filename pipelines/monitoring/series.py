"""A build's metrics as Prometheus has them: series by name and labels."""

from collections.abc import Iterator
from dataclasses import dataclass

from pipelines.monitoring.metrics import BuildMetrics


@dataclass(frozen=True)
class Series:
    """A metric: its name, what it is, its labels; `counts`: it only grows, from 0 in each run."""

    name: str
    help: str
    labels: tuple[str, ...] = ("stage",)
    counts: bool = False

    @property
    def title(self) -> str:
        """The name without prefix and suffix."""
        return self.name.removeprefix("webbody_").removesuffix("_total")


SHARDS = Series(
    "webbody_shards",
    "Shards by state: waiting, running, done (also by earlier runs), failed.",
    ("stage", "state"),
)
PLANNED = Series("webbody_shards_planned", "Shards that a stage is to do in all.")
IMAGES = Series("webbody_images_per_second", "Images decided a second in the last minute.")
ETA = Series("webbody_eta_seconds", "Seconds until a stage has done every shard.")
GPU_BUSY = Series(
    "webbody_gpu_utilization_ratio",
    "Share of the time in which a GPU of a stage's workers computes.",
    ("stage", "gpu"),
)
GPU_MEMORY = Series("webbody_gpu_memory_bytes", "Memory in use on it.", ("stage", "gpu"))
GPU_MEMORY_TOTAL = Series("webbody_gpu_memory_total_bytes", "All its memory.", ("stage", "gpu"))
ROWS_IN = Series("webbody_rows_in_total", "Rows of finished shards.", counts=True)
ROWS_OUT = Series("webbody_rows_out_total", "Of these, rows that passed.", counts=True)
BYTES = Series("webbody_written_bytes_total", "Bytes of finished shards.", counts=True)
SECONDS = Series("webbody_worker_seconds_total", "Seconds of the workers.", counts=True)
OUTCOMES = Series(
    "webbody_dropped_images_total",
    "Images that a stage dropped, by outcome.",
    ("stage", "outcome"),
    counts=True,
)
RETRIES = Series("webbody_retries_total", "Tries after a worker had died.", counts=True)
RESTARTS = Series("webbody_restarts_total", "Restarts of the build's Ray.", (), counts=True)

ALL = (
    SHARDS, PLANNED, IMAGES, ETA, GPU_BUSY, GPU_MEMORY, GPU_MEMORY_TOTAL, ROWS_IN, ROWS_OUT, BYTES,
    SECONDS, OUTCOMES, RETRIES, RESTARTS,
)  # fmt: skip


@dataclass(frozen=True)
class SeriesPoint:
    """A value of a series; `labels` are the values of its labels, in their order."""

    series: Series
    labels: tuple[str, ...]
    value: float


def points(metrics: BuildMetrics) -> Iterator[SeriesPoint]:
    """The values of all series; what is not known has none."""
    yield SeriesPoint(RESTARTS, (), metrics.restarts)
    for name, stage in metrics.stages.items():
        for state in ("waiting", "running", "done", "failed"):
            yield SeriesPoint(SHARDS, (name, state), getattr(stage, state))
        single = {
            PLANNED: stage.shards,
            IMAGES: stage.images_per_second,
            ETA: stage.eta,
            ROWS_IN: stage.rows_in,
            ROWS_OUT: stage.rows_out,
            BYTES: stage.bytes,
            SECONDS: stage.seconds,
            RETRIES: stage.retries,
        }
        for series, value in single.items():
            if value is not None:
                yield SeriesPoint(series, (name,), value)
        for outcome, count in stage.outcomes.items():
            yield SeriesPoint(OUTCOMES, (name, outcome), count)
        for gpu, found in stage.gpus.items():
            yield SeriesPoint(GPU_BUSY, (name, gpu), found.utilization)
            yield SeriesPoint(GPU_MEMORY, (name, gpu), found.memory)
            yield SeriesPoint(GPU_MEMORY_TOTAL, (name, gpu), found.memory_total)
