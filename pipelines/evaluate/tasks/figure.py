"""Results of an evaluation: figures with counts, curves and ranked galleries."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from model.evaluation.ranking import Ranking

#: Ranks that a CMC curve shows.
_RANKS = 50


@dataclass(frozen=True)
class Curve:
    """A line to draw: `kind` is CMC (share of queries found by rank) or ROC."""

    kind: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]


@dataclass(frozen=True)
class RankedImage:
    """A gallery image of a query's ranking: its cosine, and whether it is a match."""

    image: str
    cosine: float
    match: bool


@dataclass(frozen=True)
class RankedQuery:
    """A query, its average precision, and the rank of its first match.

    found: the first images of its ranking, junk left out; empty where they are not kept.
    """

    image: str
    precision: float
    first_match: int
    found: list[RankedImage]

    @property
    def is_right(self) -> bool:
        """Whether the most similar image shows the query's person."""
        return self.first_match == 1


@dataclass(frozen=True)
class TaskResult:
    """A protocol on a data set: `metrics` are fractions, NaN where they are not defined.

    counts: how much was judged, and how much was left out. notes: what a reader must know.
    queries: those that have a match, of searches among images.
    """

    name: str
    metrics: dict[str, float]
    counts: dict[str, int]
    notes: list[str] = field(default_factory=list)
    curve: Curve | None = None
    queries: list[RankedQuery] = field(default_factory=list)


def cmc_curve(found: Ranking) -> Curve | None:
    """The first ranks' shares of queries with a match; None where no query has one."""
    if not found.queries:
        return None
    share = found.cmc[:_RANKS]
    return Curve("CMC", np.arange(1, len(share) + 1, dtype=np.float64), share)
