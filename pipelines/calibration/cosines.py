"""The distribution of cosines of all pairs of people, computed block by block."""

from dataclasses import dataclass, field
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from pipelines.identity.features import Floats

#: Rows of a block: a matrix of 64 MiB at a time.
BLOCK = 4096
#: Bins of a histogram from cosine -1 to 1.
BINS = 20_000
#: With more pairs than this none is listed: they are no outliers.
MOST_CLOSE = 10_000
#: The tail begins at this share of the pairs; a fixed one, so that the estimate leans the same way
#: however many people there are.
TAIL = 0.005
#: The normal distribution's own tail counts as much as this many pairs.
PRIOR = 30


@dataclass
class Cosines:
    """A distribution of cosines: counts (BINS,) from -1 to 1, and the highest of them.

    close: the pairs (a, b, cosine) at or above `watch`, the highest first.
    """

    counts: NDArray[np.int64]
    highest: float
    watch: float = 2.0
    close: list[tuple[int, int, float]] = field(default_factory=list)

    @property
    def pairs(self) -> int:
        return int(self.counts.sum())

    @property
    def mean(self) -> float:
        return float(self.counts @ _MIDDLES / self.pairs)

    @property
    def deviation(self) -> float:
        return float(np.sqrt(self.counts @ (_MIDDLES - self.mean) ** 2 / self.pairs))

    def quantile(self, share: float) -> float:
        """The cosine below which a share of the pairs lies."""
        place = int(np.searchsorted(np.cumsum(self.counts), share * self.pairs))
        return min(float(_MIDDLES[min(place, BINS - 1)]), self.highest)

    def tail(self, rate: float) -> float:
        """The cosine that a share `rate` of the pairs exceeds, beyond the measured ones too.

        The tail has the form of a normal distribution, and a width of its own: that with which the
        pairs in it lie as far out as they do (the mean excess over a high threshold). So groups
        that resemble one another and look-alikes count, whom the width of the whole would hide. Of
        few such pairs the width is drawn towards that of the whole. Never below the measured
        quantile, nor below the normal distribution's.
        """
        measured = self.quantile(1 - rate)
        if rate >= TAIL:
            return measured
        start, width = self._edge()
        beyond = start + width * (_normal(rate) - _normal(TAIL))
        return max(measured, self.mean + self.deviation * _normal(rate), beyond)

    def share_above(self, cosine: float) -> float:
        """The share of the pairs above a cosine: measured, or by the tail if that is more."""
        measured = float(self.counts[cosine < _MIDDLES].sum()) / self.pairs
        start, width = self._edge()
        if cosine <= start or width <= 0:
            return measured
        out = (cosine - start) / width + _normal(TAIL)
        return max(measured, NormalDist().cdf(-out))

    def _edge(self) -> tuple[float, float]:
        """Where the tail begins, and the standard deviation estimated from its pairs."""
        start = self.quantile(1 - TAIL)
        above = start < _MIDDLES
        count = int(self.counts[above].sum())
        excess = float(self.counts[above] @ (_MIDDLES[above] - start))
        usual = NormalDist().pdf(_normal(TAIL)) / TAIL - _normal(TAIL)  # of a standard normal
        return start, (excess / usual + PRIOR * self.deviation) / (count + PRIOR)

    def without_close(self) -> "Cosines":
        """The same without the pairs at or above `watch`."""
        counts = self.counts.copy()
        for _, _, cosine in self.close:
            counts[_bins(np.array([cosine]))] -= 1
        full = np.flatnonzero(counts)
        return Cosines(counts, float(_MIDDLES[full[-1]]) if len(full) else -1.0)


def _normal(rate: float) -> float:
    """The quantile of the standard normal distribution that a share `rate` exceeds."""
    return -NormalDist().inv_cdf(rate)


_MIDDLES = (np.arange(BINS) + 0.5) * (2 / BINS) - 1


def _bins(cosines: NDArray[np.floating]) -> NDArray[np.int64]:
    bins: NDArray[np.int64] = np.clip((cosines + 1) * (BINS / 2), 0, BINS - 1).astype(np.int64)
    return bins


def all_pairs(units: Floats, watch: float = 2.0, block: int = BLOCK) -> Cosines:
    """The distribution of all pairs of unit features (N, D); lists those of `watch` or more."""
    counts = np.zeros(BINS, np.int64)
    highest = -1.0
    close: list[tuple[int, int, float]] = []
    for top in range(0, len(units), block):
        rows = units[top : top + block]
        for start in range(top, len(units), block):
            cosines = rows @ units[start : start + block].T
            if start == top:
                a, b = np.triu_indices(len(rows), 1)
                flat = cosines[a, b]
                cosines[np.tril_indices(len(rows))] = -2
            else:
                flat = cosines.ravel()
            counts += np.bincount(_bins(flat), minlength=BINS)
            highest = max(highest, float(flat.max(initial=-1)))
            if highest >= watch and len(close) < MOST_CLOSE:
                close += [
                    (int(a) + top, int(b) + start, float(cosines[a, b]))
                    for a, b in zip(*np.nonzero(cosines >= watch), strict=True)
                ]
    close.sort(key=lambda pair: (-pair[2], pair[0], pair[1]))
    return Cosines(counts, min(highest, 1.0), watch, close)


def of_values(cosines: NDArray[np.floating]) -> Cosines:
    """The distribution of cosines (N,) that were computed already."""
    return Cosines(np.bincount(_bins(cosines), minlength=BINS), float(cosines.max(initial=-1)))
