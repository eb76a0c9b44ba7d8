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
from model.training.monitoring.validator import Validator
from model.training.steps.plan import TrainingStep
from model.training.steps.trainer import StepSamples, Trainer
from model.training.stopping import agreed, asked_to_stop
from webbody.errors import WebbodyError

_LOG = logging.getLogger(__name__)

#: Steps after which all ranks look together whether the loss is sound and whether to stop.
CHECK = 20


class Diverged(WebbodyError):
    """The loss, its gradient or the weights are not finite any more; says where to go on."""


@dataclass(frozen=True)
class CheckpointPolicy:
    """How often a run saves (in steps) and reports (in seconds), and how many checkpoints stay."""

    checkpoint_steps: int = 2000
    keep_checkpoints: int = 3
    log_seconds: float = 10.0


def train(
    trainer: Trainer,
    steps: Sequence[TrainingStep],
    samples: Callable[[Sequence[TrainingStep]], Iterable[StepSamples]],
    folder: Path,
    run: dict[str, Any],
    policy: CheckpointPolicy,
    report: Callable[[TrainingProgress], None],
    validator: Validator | None = None,
    elsewhere: Callable[[], bool] | None = None,
) -> bool:
    """Computes the steps that are missing; every rank calls it alike.

    `samples` gives this rank's share of each of the steps it is called with. `run` describes the
    run: a checkpoint of another one is refused with a WebbodyError. `validator` tries the model
    now and then. Returns False if it was asked to stop (SIGTERM, or as `elsewhere` tells) and left
    a checkpoint, True at the end. Raises Diverged.
    """
    found = checkpoint.checkpoints(folder)
    begin = checkpoint.load(found[-1], trainer, run) if found else 0
    if validator is not None:
        validator.recall(checkpoint.notes(found[-1]) if found else {})
    with asked_to_stop(elsewhere) as asked:
        if validator is not None and validator.owes(begin, steps):
            validator(trainer, begin, steps)
        watch = ThroughputMeter(steps, begin, trainer)
        for step, batch in _fetched(watch, steps[begin:], samples(steps[begin:])):
            watch.add(step, trainer.step(step, batch))
            done, last = step.number + 1, step.number + 1 == len(steps)
            due = validator is not None and validator.due(done, steps)
            stop = False
            saved = done % policy.checkpoint_steps == 0 or last
            if done % CHECK == 0 or due or saved:
                _check(watch, done, folder, trainer.model)
                stop = agreed(asked(), trainer)
            with watch.beside():
                # A machine that is about to go has little time: what is owed is done on resuming.
                if validator is not None and due and (last or not stop):
                    validator(trainer, done, steps)
                if saved or stop:
                    notes = validator.notes() if validator is not None else {}
                    checkpoint.save(folder, trainer, done, run, policy.keep_checkpoints, notes)
                    _LOG.info("checkpoint after %d steps in %s", done, folder)
            if watch.seconds() >= policy.log_seconds or last or stop:
                report(watch.progress(step))
            if stop:
                return last
    return True


def _fetched(
    watch: ThroughputMeter, steps: Sequence[TrainingStep], samples: Iterable[StepSamples]
) -> Iterator[tuple[TrainingStep, StepSamples]]:
    """Steps with their samples, the wait for each of them timed."""
    iterator = iter(samples)
    for step in steps:
        with watch.waiting():
            batch = next(iterator)
        yield step, batch


def _check(watch: ThroughputMeter, done: int, folder: Path, model: nn.Module) -> None:
    # All are the same on every rank, the gradient's norm being that of its mean: all stop or none.
    recent = [value for one in watch.outcomes[-CHECK:] for value in (one.loss, one.grad_norm)]
    # What the last step has made of the weights, the next one's loss would tell.
    weights = [weight.detach() for weight in model.parameters()]
    recent.append(nn.utils.get_total_norm(weights, math.inf))
    if not torch.isfinite(torch.stack(recent)).all():
        found = checkpoint.checkpoints(folder)
        last = f"the last good checkpoint is {found[-1]}" if found else "there is no checkpoint yet"
        raise Diverged(
            f"the loss or the weights are not finite any more at step {done}; {last}. "
            "Try a lower learning rate or a longer warm-up."
        )
