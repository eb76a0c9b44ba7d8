"""How the cosine of two centres grows with the images in them.

A face feature is its person's mean plus what is of the moment. In a sum of n faces the first grows
with n, the second with its root, so centres of more images are more alike where they are of one
person, and tell strangers' true likeness more plainly. From centres of few images one can tell
those of many: by the formula of Spearman and Brown (1910) where both are of one person, by the
correction for attenuation (Spearman 1904) where they are not.
"""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from pipelines.calibration.cosines import Cosines
from pipelines.identity.features import Floats, centre, unit

#: People whose halves are compared with one another to tell likeness from chance.
HALVED = 2000
#: Halvings of each person that has several.
SPLITS = 4000
#: Stands for infinitely much variation.
_MOST = 1e6

Rows = list[NDArray[np.int64]]


@dataclass(frozen=True)
class Growth:
    """Variances within people beside those between them.

    within: of a face around its person's mean, in squared lengths of that mean. noise: the same in
    the products of strangers' centres: those of n faces vary (1 + noise / n) times as widely as
    means do.
    """

    within: float
    noise: float

    def stranger_cosine(self, cosines: Cosines, rate: float, have: float, want: float) -> float:
        """The tail of strangers' cosines at a rate, of centres of `want` faces.

        cosines: those of centres of `have` faces. What a normal distribution explains is moved by
        the variances; what lies beyond it (look-alikes, relatives) is true likeness, which faces
        of the moment had only weakened.
        """
        tail = cosines.tail(rate)
        plainer = (1 + self.within / have) / (1 + self.within / want)
        wider = plainer * (1 + self.noise / want) / (1 + self.noise / have)
        z = -NormalDist().inv_cdf(rate)
        beyond = max(0.0, tail - cosines.mean - z * cosines.deviation)
        return cosines.mean * plainer + z * cosines.deviation * wider + beyond * plainer


def spearman_brown(cosine: NDArray[np.float64], times: NDArray[np.float64]) -> NDArray[np.float64]:
    """The cosine (N,) of two centres of one person when each holds `times` (N,) as many faces."""
    cosine = np.maximum(cosine, 0)
    return times * cosine / (1 + (times - 1) * cosine)


def measure_growth(features: Floats, rows: Rows, rng: np.random.Generator) -> Growth:
    """The growth of raw features (N, D); rows: the faces of each person with two or more."""
    mean = noise = 0.0
    for own in rows:
        total = features[own].sum(0, dtype=np.float64)
        squares = float((features[own].astype(np.float64) ** 2).sum())
        between = (float(total @ total) - squares) / (len(own) * (len(own) - 1))
        mean += between
        noise += squares / len(own) - between
    within = min(noise / mean, _MOST) if mean > 0 else _MOST

    chosen = [rows[i] for i in rng.permutation(len(rows))[:HALVED]]
    halves = [rng.permutation(own) for own in chosen]
    size = np.array([len(own) // 2 for own in halves])
    one = unit(np.stack([centre(features[own[:n]]) for own, n in zip(halves, size, strict=True)]))
    two = unit(
        np.stack([centre(features[own[n : 2 * n]]) for own, n in zip(halves, size, strict=True)])
    )
    a, b = np.triu_indices(len(one), 1)
    first, second = (one @ one.T)[a, b].astype(float), (two @ two.T)[a, b].astype(float)
    shared = float(np.cov(first, second)[0, 1])
    spread = (float(first.var()) + float(second.var())) / 2
    ratio = np.sqrt(spread / shared) - 1 if shared > 0 else _MOST
    return Growth(within, float(np.clip(ratio, 0, _MOST)) / float((1 / size).mean()))


def same_person(
    features: Floats, rows: Rows, images: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Cosines of two centres of one person, of `images` faces each, disjoint.

    Measured where a person has twice as many faces, else told from centres of half of them.
    """
    cosines, times = [], []
    for _ in range(max(1, min(20, SPLITS // len(rows)))):
        for own in rows:
            size = min(len(own) // 2, images)
            drawn = rng.permutation(own)
            one, two = centre(features[drawn[:size]]), centre(features[drawn[size : 2 * size]])
            cosines.append(float(unit(one) @ unit(two)))
            times.append(images / size)
    return spearman_brown(np.array(cosines), np.array(times))
