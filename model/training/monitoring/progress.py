"""Progress of a run: losses and norms of its steps, throughput, estimated time left.

Shape suffixes: P parts of the semantic head, K keypoints.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

import torch

from model.flops import classifier_flops, peak_flops, training_flops
from model.sapiensid.head import SemanticHead
from model.sapiensid.sapiensid import SapiensID
from model.training.steps.plan import TrainingStep
from model.training.steps.trainer import Outcome, Trainer
from webbody.skeleton import NAMES


@dataclass(frozen=True)
class PartWeights:
    """The semantic head's learned weights of body parts, from 0 to 1 (Eq. 10).

    mean and spread (standard deviation): of all of them, of all data sets. keypoints: the mean of
    each keypoint's.
    """

    mean: float
    spread: float
    keypoints: dict[str, float]

    @property
    def top(self) -> str:
        """The keypoint with the largest weight."""
        return max(self.keypoints, key=lambda name: self.keypoints[name])


@dataclass(frozen=True)
class TrainingProgress:
    """Progress of a run, averaged over the steps since the last report.

    done: steps, of `steps`. seen: images since the run began. loss, grad_norm (before clipping),
    feature_norm: means. lr: the learning rate of the last step. images, tokens: per second, of all
    ranks. data_wait: share of the time spent waiting for data. seconds_per_step: time of training
    alone. eta: seconds until the end, all included. mfu: model FLOPs utilisation, the arithmetic
    done as a share of what the devices could do; None where their peak is unknown. parts: None for
    a model without semantic head.
    """

    done: int
    steps: int
    seen: int
    loss: float
    grad_norm: float
    feature_norm: float
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

    def __init__(self, steps: Sequence[TrainingStep], begin: int, trainer: Trainer) -> None:
        self._steps, self._trainer = steps, trainer
        self._ideal = ideal_seconds(trainer)
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
        loss, grad_norm, feature_norm = (
            float(torch.stack([getattr(one, name) for one in self.outcomes]).mean())
            for name in ("loss", "grad_norm", "feature_norm")
        )
        seconds, count = max(self.seconds(), 1e-9), len(self.outcomes)
        progress = TrainingProgress(
            done=step.number + 1,
            steps=len(self._steps),
            seen=step.start + step.size,
            loss=loss,
            grad_norm=grad_norm,
            feature_norm=feature_norm,
            lr=step.rate,
            images=self._images / seconds,
            tokens=self._tokens / seconds,
            data_wait=self._waited / seconds,
            seconds_per_step=seconds / count,
            eta=self._seconds_left(),
            mfu=None if self._ideal is None else self._busy / seconds,
            parts=part_weights(self._trainer.model),
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


def ideal_seconds(trainer: Trainer) -> Callable[[int], float] | None:
    """A function from tokens to seconds of a training image at all devices' peak FLOPS.

    None where the peak is unknown.
    """
    dtype = torch.bfloat16 if trainer.mixed_precision else torch.float32
    peak = peak_flops(trainer.device, dtype)
    if peak is None:
        return None
    classifier, all_peak = trainer.classifier, peak * trainer.classifier.ranks
    rest = classifier_flops(classifier.width, classifier.sample_rate * classifier.classes)

    @cache
    def seconds(tokens: int) -> float:
        return (training_flops(trainer.model, tokens) + rest) / all_peak

    return seconds


def part_weights(model: SapiensID) -> PartWeights | None:
    """The weights that the semantic head has learned; None for another head."""
    if not isinstance(model.head, SemanticHead):
        return None
    weights = model.head.part_weights.detach().float().sigmoid().cpu()
    # Attention's parts, then those of peaks; each keypoint's offsets lie side by side.
    keypoints_K = weights.unflatten(1, (2, len(NAMES), -1)).mean((0, 1, 3))
    named = dict(zip(NAMES, keypoints_K.tolist(), strict=True))
    return PartWeights(float(weights.mean()), float(weights.std(correction=0)), named)


def _cost(step: TrainingStep) -> int:
    return step.size * step.tokens
