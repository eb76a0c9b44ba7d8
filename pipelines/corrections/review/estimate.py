"""How many errors are left in a build, from what was reviewed so far."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.corrections.review.queue import ReviewQueue


@dataclass(frozen=True)
class ErrorEstimate:
    """What reviews tell.

    Attributes:
        units: Decisions that can be judged.
        reviewed: Those that somebody judged.
        found: Those that were wrong.
        sample: Judged ones that were drawn at random, among those that are not the riskiest.
        left: Errors among what nobody looked at, as estimated; None without a sample.
        low, high: The bounds between which they lie with a probability of 95 %, and more.
    """

    units: int
    reviewed: int
    found: int
    sample: int = 0
    left: float | None = None
    low: int = 0
    high: int = 0

    def sentence(self) -> str:
        """Such as `40 of 600 decisions judged, 5 were wrong; 3 errors may be left (0 to 20)`."""
        said = f"{self.reviewed:,} of {self.units:,} decisions judged, {self.found:,} were wrong; "
        if self.left is None:
            return said + "nothing can be said of the others before some are drawn at random."
        return said + (
            f"about {self.left:.0f} errors are left, with 95 % certainty {self.low:,} to "
            f"{self.high:,} ({self.sample:,} were drawn at random)."
        )


def estimate(
    queue: ReviewQueue, reviewed: Collection[int], wrong: Collection[int]
) -> ErrorEstimate:
    """Estimate the errors that are left from the reviewed units and the wrong ones among them.

    The riskiest units that were all reviewed are known. Of the others those are a random sample
    that come first in the random order and were all reviewed, whoever chose them for what reason.
    From its share of errors, the exact interval of Clopper and Pearson (1934), which never covers
    less than it says. Errors that were found otherwise are counted once.
    """
    total = len(queue.units)
    done_N, bad_N = _marked(reviewed, total), _marked(wrong, total)
    bad_N &= done_N
    done, bad = int(done_N.sum()), int(bad_N.sum())
    rest_N = np.ones(total, np.bool_)
    rest_N[queue.by_priority[: _leading(done_N[queue.by_priority])]] = False
    draws = queue.by_draw[rest_N[queue.by_draw]]
    sample = draws[: _leading(done_N[draws])]
    summary = ErrorEstimate(total, done, bad)
    if not len(sample):
        return summary if done < total else ErrorEstimate(total, done, bad, 0, 0.0, 0, 0)
    rest, hits, seen = int(rest_N.sum()), int(bad_N[sample].sum()), int((rest_N & bad_N).sum())
    low, high = _interval(hits, len(sample), rest)
    unseen = int((rest_N & ~done_N).sum())

    def left(errors: float) -> float:
        return min(max(errors - seen, 0.0), unseen)

    share = hits / len(sample)
    return ErrorEstimate(
        units=total,
        reviewed=done,
        found=bad,
        sample=len(sample),
        left=left(share * rest),
        low=int(left(low)),
        high=round(left(high) + 0.499),
    )


def _marked(rows: Collection[int], count: int) -> NDArray[np.bool_]:
    marks = np.zeros(count, np.bool_)
    marks[list(rows)] = True
    return marks


def _leading(marks: NDArray[np.bool_]) -> int:
    """How many are set before the first that is not."""
    return len(marks) if marks.all() else int(marks.argmin())


def _interval(hits: int, sample: int, population: int) -> tuple[float, float]:
    """The errors in a population, with 95 % probability; all of it may have been seen."""
    from scipy.stats import beta  # slow to import

    if sample >= population:
        return float(hits), float(hits)
    low = 0.0 if hits == 0 else float(beta.ppf(0.025, hits, sample - hits + 1))
    high = 1.0 if hits == sample else float(beta.ppf(0.975, hits + 1, sample - hits))
    return low * population, high * population
