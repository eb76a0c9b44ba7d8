"""How similar centres are: two of one person, and those of different people."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.calibration.cosines import Cosines, all_pairs
from pipelines.calibration.growth import Growth, Rows, measure_growth, same_person
from pipelines.identity.features import Floats, centre, unit
from webbody.plain_text import plain_text


@dataclass(frozen=True)
class CentreCosines:
    """Cosines of centres of `images` faces each, measured or extrapolated from fewer faces.

    one_person: pairs of centres of one person. smaller: the same for half as many faces, as names
    differ in size. strangers: all pairs of different people, whose centres hold `faces` faces
    (harmonic mean). growth: how cosines change with the number of faces.
    """

    growth: Growth
    one_person: NDArray[np.float64]
    smaller: NDArray[np.float64]
    strangers: Cosines
    faces: float
    images: int

    def exceeded(self, rate: float) -> float:
        """The cosine that a share `rate` of the pairs of strangers exceeds."""
        return min(self.growth.stranger_cosine(self.strangers, rate, self.faces, self.images), 1.0)


def centre_cosines(
    features: Floats,
    rows: Rows,
    several: Rows,
    images: int,
    named: NDArray[Any],
    warnings: list[str],
    rng: np.random.Generator,
) -> CentreCosines:
    """Measure the cosines of centres.

    Args:
        features: Raw, (N, D).
        rows: The faces of each person.
        several: The same for people with two or more.
        images: Faces of a centre in the build.
        named: The people's names, for warnings.
        warnings: Gets a sentence for each pair of people who look like one.
        rng: For draws of faces.
    """
    growth = measure_growth(features, several, rng)
    one_person = same_person(features, several, images, rng)
    smaller = same_person(features, several, -(-images // 2), rng)
    strangers = _strangers(features, rows, several, images, named, warnings, rng)
    faces = float(1 / np.mean([1 / min(len(own), images) for own in rows]))
    return CentreCosines(growth, one_person, smaller, strangers, faces, images)


def _strangers(
    features: Floats,
    rows: Rows,
    several: Rows,
    images: int,
    named: NDArray[Any],
    warnings: list[str],
    rng: np.random.Generator,
) -> Cosines:
    """Cosines of the centres of different people, of at most `images` faces each.

    A pair as similar as one person's centres, which the other pairs make most unlikely, is taken
    for one person under two labels: it is left out, with a warning.
    """
    drawn = [rng.permutation(own)[:images] for own in rows]
    centres = unit(np.stack([centre(features[own]) for own in drawn]))
    size = max(1, round(float(np.median([len(own) for own in drawn]))) // 2)
    watch = float(np.quantile(same_person(features, several, size, rng), 0.05))
    found = all_pairs(centres, watch)
    if not found.close or len(found.close) > max(2, len(rows) // 100):
        return found
    others = found.without_close()
    if others.tail(0.01 / found.pairs) >= watch:
        return found
    for a, b, cosine in found.close[:5]:
        warnings.append(
            f"{plain_text(named[a])} and {plain_text(named[b])} look like one person "
            f"({cosine:.2f}) and were not counted as strangers; fix the calibration pictures."
        )
    return others
