"""Trying the constructors of stages before a build sends its first shard.

A wrong setting or model file shows when a stage loads its models. In the workers alone that would
be after all stages before it, once per shard.
"""

from collections.abc import Sequence

from pipelines.engine.graph import StageTask
from pipelines.engine.worker import limit_threads
from webbody.config import StageResources
from webbody.errors import WebbodyError


def groups(
    stages: Sequence[tuple[StageTask, StageResources]],
) -> list[tuple[list[StageTask], float, float]]:
    """Tasks that are tried in one process, with its CPUs and GPUs.

    Those on the CPU share one, as they import the same libraries; each with a GPU has its own.
    """
    shared = [(task, use) for task, use in stages if not use.gpus]
    out = [([task], use.cpus, use.gpus) for task, use in stages if use.gpus]
    if shared:
        out.append(([task for task, _ in shared], max(use.cpus for _, use in shared), 0.0))
    return out


def problems(tasks: Sequence[StageTask]) -> dict[str, str]:
    """What is wrong with the stages that cannot be constructed here: name -> a sentence."""
    found: dict[str, str] = {}
    for task in tasks:
        limit_threads(1 if task.node.io_bound else task.resources.threads)
        try:
            task.make()
        except WebbodyError as error:
            found[task.node.name] = str(error)
        except Exception as error:
            said = (str(error).strip().splitlines() or [""])[0]
            found[task.node.name] = (
                f"The stage {task.node.name} cannot start ({type(error).__name__}: {said[:300]}); "
                f"check the settings of {task.node.name} and resources.{task.node.name}."
            )
    return found
