"""Where a build's Ray runs: in this process, where one is, else in a process of its own."""

import sys

from pipelines.engine import run_processes
from pipelines.engine.cluster import Cluster
from pipelines.engine.driver.healing import SelfHealing
from pipelines.engine.driver.process import DriverProcess
from pipelines.engine.executor import Executor, OnEvent
from webbody.config import Resources


def start_executor(resources: Resources, on_event: OnEvent) -> Executor:
    """An executor that survives the loss of its Ray.

    Where callers have called `ray.init` already, that Ray is used, which only they can start again.

    Raises:
        WebbodyError: Ray cannot be started or joined.
    """
    if _has_ray():
        return SelfHealing(lambda: Cluster(resources), 0, on_event)
    run_processes.end_orphans()
    return SelfHealing(lambda: DriverProcess(resources), resources.restarts, on_event)


def _has_ray() -> bool:
    ray = sys.modules.get("ray")
    return ray is not None and ray.is_initialized()
