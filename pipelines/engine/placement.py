"""Whether what stages ask for can be had where they would run, told before anything waits for it.

Ray itself waits without a word for CPUs that no node has.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipelines.engine.executor import Stages
from pipelines.engine.worker import Event
from webbody.errors import WebbodyError

_SLACK = 1e-6
_KINDS = {"CPU": "cpus", "GPU": "gpus"}


@dataclass(frozen=True)
class Capacity:
    """CPUs and GPUs of each node."""

    nodes: tuple[Mapping[str, float], ...]

    @classmethod
    def of(cls, ray: Any) -> "Capacity":
        """That of the Ray which this process is connected to."""
        return cls(tuple(node["Resources"] for node in ray.nodes() if node["Alive"]))

    def largest(self, kind: str) -> float:
        """The most that one node has."""
        return max((node.get(kind, 0.0) for node in self.nodes), default=0.0)


def check_placement(stages: Stages, capacity: Capacity, fixed: bool) -> Event | None:
    """A warning where a worker of a stage fits on no machine; None where all fit.

    Stages that do not fit beside one another take turns, which is slower and no mistake.

    Args:
        stages: The stages of a chain, each with what a worker reserves.
        capacity: What there is now.
        fixed: Whether that is all there will ever be, as on a local Ray.

    Raises:
        WebbodyError: One does not fit, and never will.
    """
    for kind, setting in _KINDS.items():
        for task, use in stages:
            needed, largest = getattr(use, setting), capacity.largest(kind)
            if needed <= largest + _SLACK:
                continue
            name = f"resources.{task.node.name}.{setting}"
            there = f"no machine of this Ray has more than {largest:g} {kind}s"
            text = f"{name} is {needed:g}, and {there}"
            lower = f"lower {name}, or give Ray a machine with more {kind}s"
            if fixed:
                raise WebbodyError(f"{text}; {lower}.")
            message = f"{text}: the build waits until the cluster grows; or {lower}."
            return Event(task.node.name, "", "note", message=message)
    return None
