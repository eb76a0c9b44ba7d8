"""Stopping a run when its machine is about to go."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import torch
import torch.distributed as dist

from model.training.steps.trainer import Trainer


@contextmanager
def asked_to_stop(elsewhere: Callable[[], bool] | None = None) -> Iterator[Callable[[], bool]]:
    """Tells whether SIGTERM came, which preempted machines get before they go.

    `elsewhere` tells whether the process came to know it in another way.
    """
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)

    def asked() -> bool:
        return bool(came) or (elsewhere is not None and elsewhere())

    try:
        before = signal.signal(signal.SIGTERM, note)
    except ValueError:  # not in the main thread, where Python handles no signals
        yield asked
        return
    try:
        yield asked
    finally:
        signal.signal(signal.SIGTERM, before)


def agreed(asked: bool, trainer: Trainer) -> bool:
    """Whether any rank was asked to stop; every rank calls it."""
    if not (dist.is_available() and dist.is_initialized()):
        return asked
    flag = torch.tensor(float(asked), device=trainer.device)
    dist.all_reduce(flag, dist.ReduceOp.MAX, group=trainer.classifier.group)
    return bool(flag)
