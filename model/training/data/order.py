"""In which order training sees the samples: an endless sequence, known at every position.

The sequence is a function of the seed alone. Ranks cut each step's samples out of it, so nothing
is lost or seen twice whatever their number, and a resumed run needs no more than its position.

Shape suffixes: N samples, D data sets, L positions of an epoch.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from webbody.skeleton import COUNT

#: Chances are counted in whole parts of this, so that their sums are exact.
_UNIT = 1 << 30


def repeats(
    dataset_N: NDArray[np.integer],
    visible_N: NDArray[np.integer],
    weights: Sequence[float],
    power: float = 0.5,
) -> NDArray[np.float64]:
    """How often an epoch shows each sample, on average over the epochs.

    In its data set a sample's share is proportional to ((1 + visible) / 20) ** power; over a whole
    data set the mean is its weight. So weights alone say how data sets mix, and a power of 0 shows
    every sample equally often. The paper oversamples images with many visible keypoints (A.1) and
    does not say by how much; 0.5 shows a whole body 1.8 times as often as a face with its five.
    """
    if power < 0:
        raise ValueError(f"the power of oversampling must be at least 0, not {power}")
    count = int(dataset_N.max()) + 1
    if len(weights) != count or not all(np.isfinite(w) and w > 0 for w in weights):
        raise ValueError(f"{count} data sets need as many weights above 0, not {list(weights)}")
    share_N = ((1.0 + visible_N) / (1 + COUNT)) ** power
    mean_D = np.bincount(dataset_N, share_N, count) / np.maximum(np.bincount(dataset_N), 1)
    weight_N: NDArray[np.float64] = share_N * (np.asarray(weights) / mean_D)[dataset_N]
    return weight_N


class Order:
    """The endless sequence of sample numbers; position 0 begins epoch 0.

    An epoch of `epoch_length` positions is a shuffle in which a sample occurs `repeats_N` times:
    the whole part always, the fraction by chance, drawn anew for each epoch. repeats_N are first
    scaled to add up to a whole number, so that all epochs have the same length.
    """

    def __init__(self, repeats_N: NDArray[np.float64], seed: int) -> None:
        self.epoch_length = round(float(repeats_N.sum()))
        if self.epoch_length < 1:
            raise ValueError("an epoch shows no sample at all: give the data sets larger weights")
        rate_N = repeats_N * (self.epoch_length / repeats_N.sum())
        # Rounding errors of the scaling must not make a chance of what is certain.
        whole_N = np.floor(rate_N + 1e-7)
        self._whole_N = whole_N.astype(np.int64)
        self._extra = self.epoch_length - int(self._whole_N.sum())
        self._chance_N = _in_units(np.clip(rate_N - whole_N, 0, 1), self._extra)
        self._seed = seed
        self._epochs: dict[int, NDArray[np.int64]] = {}

    def take(self, start: int, count: int) -> NDArray[np.int64]:
        """The samples at positions start ... start + count - 1."""
        parts, position, end = [np.zeros(0, np.int64)], start, start + count
        while position < end:
            epoch, begin = divmod(position, self.epoch_length)
            part_L = self.epoch(epoch)[begin : begin + end - position]
            parts.append(part_L)
            position += len(part_L)
        return np.concatenate(parts)

    def epoch(self, number: int) -> NDArray[np.int64]:
        """The samples of an epoch, in order."""
        if number not in self._epochs:
            # One is enough but where a step straddles the border; each is 8 bytes a position.
            self._epochs = {n: ids for n, ids in self._epochs.items() if n == number - 1}
            self._epochs[number] = self._draw(number)
        return self._epochs[number]

    def _draw(self, epoch: int) -> NDArray[np.int64]:
        generator = np.random.default_rng((self._seed, epoch))
        count_N = self._whole_N
        if self._extra:
            count_N = count_N + _chosen(self._chance_N, self._extra, generator)
        ids_L = np.repeat(np.arange(len(count_N)), count_N)
        generator.shuffle(ids_L)
        return ids_L


def _in_units(chance_N: NDArray[np.float64], total: int) -> NDArray[np.int64]:
    """Chances as whole numbers of 1 / _UNIT that add up to exactly `total` of 1."""
    if total == 0:
        return np.zeros(len(chance_N), np.int64)
    ends_N = np.cumsum(chance_N)
    ends_N = np.rint(ends_N / ends_N[-1] * total * _UNIT).astype(np.int64)
    counts_N: NDArray[np.int64] = np.diff(ends_N, prepend=0)
    return counts_N


def _chosen(
    chance_N: NDArray[np.int64], count: int, generator: np.random.Generator
) -> NDArray[np.int64]:
    """1 for exactly `count` samples, each with its chance, and 0 for the others.

    Systematic sampling: chances are laid end to end in random order, and marks at distance 1
    choose those they fall on, none twice as none is longer than 1.
    """
    order_N = generator.permutation(len(chance_N))
    marks = generator.integers(_UNIT) + _UNIT * np.arange(count)
    out_N = np.zeros(len(chance_N), np.int64)
    out_N[order_N[np.searchsorted(np.cumsum(chance_N[order_N]), marks, side="right")]] = 1
    return out_N


def share(ids: NDArray[np.int64], rank: int, ranks: int) -> NDArray[np.int64]:
    """The part of a step's samples that a rank computes."""
    return ids[rank::ranks]
