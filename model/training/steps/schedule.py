"""Learning rate and batch size of each step."""

import math
from dataclasses import dataclass

from model.sapiensid.masking import KeptTokens


@dataclass(frozen=True)
class LearningRate:
    """The learning rate of a step: linear warm-up, then a cosine to zero (A.1).

    `peak` belongs to the reference batch size; see `Batches.size`.
    """

    peak: float
    warmup: int
    steps: int

    def __post_init__(self) -> None:
        if not 0 <= self.warmup < self.steps:
            raise ValueError(f"a warm-up of {self.warmup} steps leaves none of {self.steps}")

    def at(self, step: int) -> float:
        """The rate of step 0, 1, ..."""
        if step < self.warmup:
            return self.peak * (step + 1) / self.warmup
        done = (step - self.warmup) / (self.steps - self.warmup)
        return self.peak * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))


@dataclass(frozen=True)
class Batches:
    """How many samples a step takes when it keeps n tokens of each (3.2).

    `largest` is the batch size at the fewest tokens. `rule` says what stays about equal: "square"
    batch times tokens squared (the paper), "tokens" batch times tokens. Sizes are multiples of
    `multiple`, at least one of it, and at least 2: batch norm has no statistics of a single sample.
    """

    distribution: KeptTokens
    largest: int
    rule: str = "square"
    multiple: int = 1

    def __post_init__(self) -> None:
        if self.rule not in ("square", "tokens"):
            raise ValueError(f"rule must be square or tokens, not {self.rule!r}")
        if self.largest < max(self.multiple, 2) or self.multiple < 1:
            raise ValueError(
                f"batches of {self.largest} must be at least 2 and their multiple, {self.multiple}"
            )

    def size(self, tokens: int) -> int:
        """Samples of a step that keeps `tokens` tokens."""
        exponent = 2 if self.rule == "square" else 1
        # Rounded token counts may lie below the smallest count of the distribution.
        exact = self.largest * min(1.0, self.distribution.count(1.0) / tokens) ** exponent
        return max(math.ceil(2 / self.multiple), round(exact / self.multiple)) * self.multiple
