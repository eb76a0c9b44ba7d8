"""A run from its first step, or from its newest checkpoint, to its last."""

import logging
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from model.training import checkpoint
from model.training.monitoring.progress import ThroughputMeter, TrainingProgress
from model.training.monitoring.validation_schedule import ScheduledValidator
from model.training.steps.base import BaseTrainer
from model.training.steps.plan import TrainingStep
from model.training.stopping import on_any_rank, stop_requested
from webbody.errors import WebbodyError

_LOG = logging.getLogger(__name__)

#: Steps between two checks by all ranks: is the loss finite, is a stop requested.
CHECK = 20


class Diverged(WebbodyError):
    """The loss, its gradient or the weights are not finite; names the last good checkpoint."""


@dataclass(frozen=True)
class CheckpointPolicy:
    """Steps between checkpoints, checkpoints kept, seconds between reports."""

    checkpoint_steps: int = 2000
    keep_checkpoints: int = 3
    log_seconds: float = 10.0


def train(
    trainer: BaseTrainer,
    steps: Sequence[TrainingStep],
    samples: Callable[[Sequence[TrainingStep]], Iterable[Any]],
    folder: Path,
    run: dict[str, Any],
    policy: CheckpointPolicy,
    report: Callable[[TrainingProgress], None],
    validator: ScheduledValidator[Any] | None = None,
    elsewhere: Callable[[], bool] | None = None,
    show: Callable[[int], None] | None = None,
) -> bool:
    """Compute the remaining steps; every rank calls it.

    `samples` yields this rank's samples of the given steps. `run` identifies the run: a checkpoint
    of another run is refused with a WebbodyError. `validator` evaluates the model at its intervals.
    `show` is called on the first rank with the number of steps done.
    Returns False if it stopped early with a checkpoint (on SIGTERM, or when `elsewhere` returns
    True), True at the end. Raises Diverged.
    """
    found = checkpoint.checkpoints(folder)
    begin = checkpoint.load(found[-1], trainer, run) if found else 0
    if validator is not None:
        validator.restore(checkpoint.notes(found[-1]) if found else {})
    with stop_requested(elsewhere) as requested:
        if validator is not None and validator.is_overdue(begin, steps):
            validator(trainer, begin, steps)
        meter = ThroughputMeter(steps, begin, trainer)
        for step, batch in _fetched(meter, steps[begin:], samples(steps[begin:])):
            meter.add(step, trainer.step(step, batch))
            done, last = step.number + 1, step.number + 1 == len(steps)
            due = validator is not None and validator.due(done, steps)
            stop = False
            saved = done % policy.checkpoint_steps == 0 or last
            if done % CHECK == 0 or due or saved:
                _check(meter, done, folder, trainer.model)
                stop = on_any_rank(requested(), trainer)
            with meter.excluded():
                # A preempted machine has little time: a skipped validation is done on resuming.
                if validator is not None and due and (last or not stop):
                    validator(trainer, done, steps)
                if saved or stop:
                    notes = validator.notes() if validator is not None else {}
                    checkpoint.save(folder, trainer, done, run, policy.keep_checkpoints, notes)
                    _LOG.info("checkpoint after %d steps in %s", done, folder)
                if show is not None and trainer.rank == 0:
                    show(done)
            if meter.seconds() >= policy.log_seconds or last or stop:
                report(meter.progress(step))
            if stop:
                return last
    return True


def _fetched(
    meter: ThroughputMeter, steps: Sequence[TrainingStep], samples: Iterable[Any]
) -> Iterator[tuple[TrainingStep, Any]]:
    """Steps with their samples; the time spent waiting for them is counted."""
    iterator = iter(samples)
    for step in steps:
        with meter.data_wait():
            batch = next(iterator)
        yield step, batch


def _check(meter: ThroughputMeter, done: int, folder: Path, model: nn.Module) -> None:
    # The values are equal on every rank (the norm is that of the mean gradient): all stop or none.
    recent = [value for one in meter.outcomes[-CHECK:] for value in (one.loss, one.grad_norm)]
    # The loss was computed before the last update: the weights are checked besides.
    weights = [weight.detach() for weight in model.parameters()]
    recent.append(nn.utils.get_total_norm(weights, math.inf))
    if not torch.isfinite(torch.stack(recent)).all():
        found = checkpoint.checkpoints(folder)
        last = f"the last good checkpoint is {found[-1]}" if found else "there is no checkpoint yet"
        raise Diverged(
            f"the loss or the weights are not finite any more at step {done}; {last}. "
            "Try a lower learning rate or a longer warm-up."
        )
