"""Starting a training run of any kind from the command line, and its lines of progress."""

import math
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from webbody.cli.train_estimate import duration
from webbody.config import Resources
from webbody.errors import WebbodyError
from webbody.train_config import RayWorkers

if TYPE_CHECKING:
    from model.training.monitoring.progress import TrainingProgress
    from model.training.parts import PutTogether


class RunSettings(Protocol):
    """The settings of a run, of whatever kind."""

    ray: RayWorkers

    def model_dump(self) -> dict[str, Any]: ...


def started(
    chosen: RunSettings,
    say: Callable[[str], None],
    report: Callable[["TrainingProgress"], None],
    parts_of: "PutTogether",
) -> bool:
    """Train in this process, or in the workers of a Ray that is started or joined."""
    ray = chosen.ray
    if not ray.workers:
        if ray.address:
            raise WebbodyError("Say with --workers how many processes train on the Ray cluster.")
        from model.training.start import start

        return start(chosen.model_dump(), say, report, parts_of=parts_of)
    if "WORLD_SIZE" in os.environ:
        raise WebbodyError("--workers starts processes of its own: leave torchrun out.")
    try:
        from model.training.on_ray import start_on_ray
        from pipelines.engine.cluster import Cluster

        # A local Ray may have more workers than the machine has CPUs.
        cpus = max(os.cpu_count() or 1, math.ceil(ray.workers * ray.cpus))
        cluster = Cluster(Resources(ray_address=ray.address, cpus=cpus))
    except ImportError as error:
        raise WebbodyError(f"--workers needs Ray ({error}): install webbody[build].") from error
    try:
        return start_on_ray(chosen.model_dump(), say, report, parts_of)
    finally:
        cluster.close()


def line(progress: "TrainingProgress") -> str:
    """One line of progress; what is unknown is left out."""
    found = [
        f"{progress.done}/{progress.steps}",
        f"loss {progress.loss:.2f}",
        f"{progress.images:,.0f} images/s",
        f"{progress.tokens:,.0f} tokens/s",
    ]
    if progress.mfu is not None:
        found.append(f"MFU {progress.mfu:.0%}")
    found.append(f"data wait {progress.data_wait:.0%}")
    if progress.feature_norm is not None:
        found.append(f"feature norm {progress.feature_norm:.1f}")
    if progress.parts is not None:
        parts = progress.parts
        found.append(f"parts {parts.mean:.2f} ± {parts.spread:.2f}, most {parts.top}")
    return "  ".join([*found, f"{duration(progress.eta)} left"])
