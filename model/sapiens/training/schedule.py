"""Steps and learning rates of a run."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from model.training.steps.plan import TrainingStep

KINDS = ("cosine", "linear", "steps")


@dataclass(frozen=True)
class RateSchedule:
    """A learning rate over steps.

    peak: the highest. warmup: steps in which it rises linearly from `warmup_from` of it. kind:
    "cosine" or "linear" to zero, or "steps": a tenth of it after each of the shares `drops` of all
    steps.
    """

    peak: float
    steps: int
    warmup: int = 0
    warmup_from: float = 1e-3
    kind: str = "cosine"
    drops: tuple[float, ...] = (170 / 210, 200 / 210)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"a schedule is one of {', '.join(KINDS)}, not {self.kind!r}")
        if not 0 <= self.warmup < self.steps:
            raise ValueError(f"a warm-up of {self.warmup} steps leaves none of {self.steps}")

    def at(self, step: int) -> float:
        """The rate of step 0, 1, ..."""
        if step < self.warmup:
            return self.peak * (self.warmup_from + (1 - self.warmup_from) * step / self.warmup)
        if self.kind == "steps":
            return self.peak * 0.1 ** sum(step >= share * self.steps for share in self.drops)
        done = (step - self.warmup) / (self.steps - self.warmup)
        if self.kind == "linear":
            return self.peak * (1 - done)
        return self.peak * 0.5 * (1 + math.cos(math.pi * done))


def equal_steps(
    samples: int, batch: int, tokens: int, schedule: RateSchedule
) -> Sequence[TrainingStep]:
    """The steps of a run: each of `batch` samples that are `tokens` tokens each.

    What is left of `samples` in the end and makes no whole batch is not seen.
    """
    return [
        TrainingStep(number, number * batch, batch, tokens, schedule.at(number))
        for number in range(samples // batch)
    ]


def step_count(images: int, epochs: float, batch: int) -> int:
    """How many steps `epochs` times over `images` are; ValueError where they make no batch."""
    count = int(round(images * epochs) // batch)
    if count < 1:
        raise ValueError(f"{images:,} images, {epochs:g} times, make no batch of {batch:,}")
    return count
