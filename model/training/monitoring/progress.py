"""Progress of a run: losses and norms of its steps, throughput, estimated time left."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from model.training.steps.base import BaseTrainer, Outcome
from model.training.steps.part_weights import PartWeights
from model.training.steps.plan import TrainingStep


@dataclass(frozen=True)
class TrainingProgress:
    """Progress of a run, averaged over the steps since the last report.

    done: steps, of `steps`. seen: images since the run began. loss, grad_norm (before clipping),
    feature_norm: means; the last is None for models without features. lr: the learning rate of
    the last step. images, tokens: per second, of all ranks. data_wait: share of the time spent
    waiting for data. seconds_per_step: time of training alone. eta: seconds until the end, all
    included. mfu: model FLOPs utilisation, the arithmetic done as a share of what the devices
    could do; None where their peak is unknown. parts: None for a model without semantic head.
    """

    done: int
    steps: int
    seen: int
    loss: float
    grad_norm: float
    feature_norm: float | None
    lr: float
    images: float
    tokens: float
    data_wait: float
    seconds_per_step: float
    eta: float
    mfu: float | None
    parts: PartWeights | None


class ThroughputMeter:
    """Accumulates steps between reports; device tensors are fetched for a report only."""

    def __init__(self, steps: Sequence[TrainingStep], begin: int, trainer: BaseTrainer) -> None:
        self._steps, self._trainer = steps, trainer
        self._ideal = trainer.ideal_seconds()
        self._left = float(sum(_cost(step) for step in steps[begin:]))
        self._done, self._wall = 0, time.monotonic()
        self._reports = 0
        self._begin()

    def _begin(self) -> None:
        self.outcomes: list[Outcome] = []
        self._images = self._tokens = 0
        self._waited = self._busy = 0.0
        self._since = time.monotonic()

    def add(self, step: TrainingStep, outcome: Outcome) -> None:
        """Count a finished step."""
        self.outcomes.append(outcome)
        self._images += step.size
        self._tokens += _cost(step)
        if self._ideal is not None:
            self._busy += step.size * self._ideal(step.tokens)

    @contextmanager
    def data_wait(self) -> Iterator[None]:
        """Count the time of the block as waiting for data."""
        begin = time.monotonic()
        yield
        self._waited += time.monotonic() - begin

    @contextmanager
    def excluded(self) -> Iterator[None]:
        """Exclude the time of the block, as of evaluation and checkpoints."""
        begin = time.monotonic()
        yield
        self._since += time.monotonic() - begin

    def seconds(self) -> float:
        """Seconds of training since the last report."""
        return time.monotonic() - self._since

    def progress(self, step: TrainingStep) -> TrainingProgress:
        """The report after a step; starts the next reporting interval."""
        loss = _mean([one.loss for one in self.outcomes])
        grad_norm = _mean([one.grad_norm for one in self.outcomes])
        norms = [one.feature_norm for one in self.outcomes if one.feature_norm is not None]
        seconds, count = max(self.seconds(), 1e-9), len(self.outcomes)
        progress = TrainingProgress(
            done=step.number + 1,
            steps=len(self._steps),
            seen=step.start + step.size,
            loss=loss,
            grad_norm=grad_norm,
            feature_norm=_mean(norms) if norms else None,
            lr=step.rate,
            images=self._images / seconds,
            tokens=self._tokens / seconds,
            data_wait=self._waited / seconds,
            seconds_per_step=seconds / count,
            eta=self._seconds_left(),
            mfu=None if self._ideal is None else self._busy / seconds,
            parts=self._trainer.part_weights(),
        )
        self._begin()
        return progress

    def _seconds_left(self) -> float:
        """Estimated from the tokens that remain, as the time per token hardly varies.

        The first interval is left out afterwards: it holds one-time costs such as compilation.
        """
        self._left -= self._tokens
        self._done += self._tokens
        self._reports += 1
        left = self._left / self._done * (time.monotonic() - self._wall)
        if self._reports == 1:
            self._done, self._wall = 0, time.monotonic()
        return left


def _mean(values: Sequence[Tensor]) -> float:
    return float(torch.stack(list(values)).mean())


def _cost(step: TrainingStep) -> int:
    return step.size * step.tokens
