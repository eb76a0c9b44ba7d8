"""Stopping a run when its machine is about to be taken away."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import torch
import torch.distributed as dist

from model.training.steps.base import BaseTrainer


@contextmanager
def stop_requested(elsewhere: Callable[[], bool] | None = None) -> Iterator[Callable[[], bool]]:
    """Yield a function that tells whether SIGTERM came, as preempted machines get it.

    elsewhere: a second source of the request, such as a message to a Ray worker.
    """
    received: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        received.append(number)

    def requested() -> bool:
        return bool(received) or (elsewhere is not None and elsewhere())

    try:
        before = signal.signal(signal.SIGTERM, handle)
    except ValueError:  # not in the main thread, where Python handles no signals
        yield requested
        return
    try:
        yield requested
    finally:
        signal.signal(signal.SIGTERM, before)


def on_any_rank(requested: bool, trainer: BaseTrainer) -> bool:
    """Whether `requested` is true on any rank; every rank calls it."""
    if not (dist.is_available() and dist.is_initialized()):
        return requested
    flag = torch.tensor(float(requested), device=trainer.device)
    dist.all_reduce(flag, dist.ReduceOp.MAX, group=trainer.group)
    return bool(flag)
