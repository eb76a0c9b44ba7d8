"""Stopping a run when its machine is about to go."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import torch
import torch.distributed as dist

from model.training.trainer import Trainer


@contextmanager
def asked_to_stop() -> Iterator[Callable[[], bool]]:
    """Tells whether SIGTERM came, which preempted machines get before they go."""
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)

    try:
        before = signal.signal(signal.SIGTERM, note)
    except ValueError:  # not in the main thread, where Python handles no signals
        yield lambda: False
        return
    try:
        yield lambda: bool(came)
    finally:
        signal.signal(signal.SIGTERM, before)


def agreed(asked: bool, trainer: Trainer) -> bool:
    """Whether any rank was asked to stop; every rank calls it."""
    if not (dist.is_available() and dist.is_initialized()):
        return asked
    flag = torch.tensor(float(asked), device=trainer.device)
    dist.all_reduce(flag, dist.ReduceOp.MAX, group=trainer.classifier.group)
    return bool(flag)
