"""A run from its first step, or from its newest checkpoint, to its last."""

import signal
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import torch
import torch.distributed as dist

from model.training import checkpoint
from model.training.plan import Step
from model.training.trainer import Outcome, Samples, Trainer

#: Steps after which all ranks look together whether the loss is sound and whether to stop.
CHECK = 20


class Diverged(ArithmeticError):
    """The loss or the gradient is no finite number any more; the message says where to go on."""


@dataclass(frozen=True)
class Progress:
    """How a run is doing, over the steps since the last report.

    done: steps, of `steps`. loss, gradient and norm (of features): means. images, tokens: per
    second, of all ranks. waiting: share of the time spent waiting for data.
    seconds_per_step: wall time.
    """

    done: int
    steps: int
    loss: float
    gradient: float
    norm: float
    rate: float
    images: float
    tokens: float
    waiting: float
    seconds_per_step: float


@dataclass(frozen=True)
class Habits:
    """How often a run saves (in steps) and reports (in seconds), and how many checkpoints stay."""

    checkpoint_steps: int = 2000
    keep: int = 3
    log_seconds: float = 10.0


def train(
    trainer: Trainer,
    steps: Sequence[Step],
    samples: Callable[[Sequence[Step]], Iterable[Samples]],
    folder: Path,
    run: dict[str, Any],
    habits: Habits,
    report: Callable[[Progress], None],
) -> bool:
    """Computes the steps that are missing; every rank calls it alike.

    `samples` gives this rank's share of each of the steps it is called with. `run` describes the
    run: a checkpoint of another one is refused with a ValueError. Returns False if it was asked to
    stop (SIGTERM) and left a checkpoint, True at the end. Raises Diverged.
    """
    found = checkpoint.checkpoints(folder)
    begin = checkpoint.load(found[-1], trainer, run) if found else 0
    watch = _Watch(len(steps), trainer.classifier.ranks)
    with _asked_to_stop() as asked:
        for step, batch in _fetched(watch, steps[begin:], samples(steps[begin:])):
            watch.add(step, trainer.step(step, batch))
            done = step.number + 1
            if done % CHECK == 0 or done == len(steps):
                _check(watch, trainer, done, folder)
                stop = _agreed(asked(), trainer)
            else:
                stop = False
            if done % habits.checkpoint_steps == 0 or done == len(steps) or stop:
                checkpoint.save(folder, trainer, done, run, habits.keep)
            if watch.seconds() >= habits.log_seconds or done == len(steps) or stop:
                report(watch.progress(step))
            if stop:
                return done == len(steps)
    return True


class _Watch:
    """Sums of a few steps; what lies on the device is fetched for a report only."""

    def __init__(self, steps: int, ranks: int) -> None:
        self.steps, self.ranks = steps, ranks
        self._begin()

    def _begin(self) -> None:
        self.outcomes: list[Outcome] = []
        self.images = self.tokens = 0
        self.waited, self.since = 0.0, time.monotonic()

    def add(self, step: Step, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        self.images += step.size
        self.tokens += step.size * step.tokens

    def seconds(self) -> float:
        return time.monotonic() - self.since

    def sound(self) -> bool:
        last = self.outcomes[-CHECK:]
        values = [value for one in last for value in (one.loss, one.gradient)]
        return bool(torch.isfinite(torch.stack(values)).all())

    def progress(self, step: Step) -> Progress:
        loss, gradient, norm = (
            float(torch.stack([getattr(one, name) for one in self.outcomes]).mean())
            for name in ("loss", "gradient", "norm")
        )
        seconds = max(self.seconds(), 1e-9)
        progress = Progress(
            step.number + 1,
            self.steps,
            loss,
            gradient,
            norm,
            step.rate,
            self.images / seconds,
            self.tokens / seconds,
            self.waited / seconds,
            seconds / len(self.outcomes),
        )
        self._begin()
        return progress


def _fetched(
    watch: _Watch, steps: Sequence[Step], samples: Iterable[Samples]
) -> Iterator[tuple[Step, Samples]]:
    """Steps with their samples, the wait for each of them timed."""
    iterator = iter(samples)
    for step in steps:
        begin = time.monotonic()
        batch = next(iterator)
        watch.waited += time.monotonic() - begin
        yield step, batch


def _check(watch: _Watch, trainer: Trainer, done: int, folder: Path) -> None:
    # The loss is the same on every rank, and the gradient's norm after its mean: all stop or none.
    if watch.outcomes and not watch.sound():
        found = checkpoint.checkpoints(folder)
        last = f"the last good checkpoint is {found[-1]}" if found else "there is no checkpoint yet"
        raise Diverged(
            f"the loss is no finite number any more at step {done}; {last}. "
            "Try a lower learning rate or a longer warm-up."
        )


def _agreed(asked: bool, trainer: Trainer) -> bool:
    """Whether any rank was asked to stop."""
    if not (dist.is_available() and dist.is_initialized()):
        return asked
    flag = torch.tensor(float(asked), device=trainer.device)
    dist.all_reduce(flag, dist.ReduceOp.MAX, group=trainer.classifier.group)
    return bool(flag)


@contextmanager
def _asked_to_stop() -> Iterator[Callable[[], bool]]:
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
