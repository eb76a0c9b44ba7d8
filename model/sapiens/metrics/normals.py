"""Angles between predicted and true surface normals, over a whole data set.

Shape suffixes: H, W the size of a picture, P pixels that count.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_LEAST = 1e-6  # shorter vectors have no direction
_PER_DEGREE = 10_000


@dataclass(frozen=True)
class NormalFigures:
    """Degrees, and percentages of pixels below an angle; NaN where no pixel counts.

    median: within 0.0001 degrees.
    """

    mean: float
    median: float
    below_11_25: float
    below_22_5: float
    below_30: float


class NormalErrors:
    """Angles of pixels, added up picture by picture; all pixels count alike.

    undefined: pixels of masks whose prediction or target has no direction; they count nowhere.
    """

    def __init__(self) -> None:
        self._counts = np.zeros(180 * _PER_DEGREE + 1, np.int64)
        self._sum = 0.0
        self._below = np.zeros(3, np.int64)
        self.undefined = 0

    def add(
        self,
        predicted: NDArray[np.floating],
        target: NDArray[np.floating],
        mask: NDArray[np.bool_],
    ) -> None:
        """Count a picture: predicted and target (H, W, 3), of any length; mask (H, W).

        Raises ValueError for different shapes.
        """
        if predicted.shape != target.shape or predicted.shape != (*mask.shape, 3):
            raise ValueError(f"shapes {predicted.shape}, {target.shape} and {mask.shape} differ")
        vectors = [values[mask].astype(np.float64) for values in (predicted, target)]
        lengths = [np.linalg.norm(values, axis=-1) for values in vectors]
        defined = (lengths[0] > _LEAST) & (lengths[1] > _LEAST) & np.isfinite(lengths[0])
        first, second = (
            values[defined] / length[defined, None]
            for values, length in zip(vectors, lengths, strict=True)
        )
        cosine_P = np.clip((first * second).sum(-1), -1, 1)
        angle_P = np.degrees(np.arccos(cosine_P))
        self.undefined += int((~defined).sum())
        self._counts += np.bincount(
            (angle_P * _PER_DEGREE).astype(np.int64), minlength=len(self._counts)
        )
        self._sum += float(angle_P.sum())
        self._below += [int((angle_P < limit).sum()) for limit in (11.25, 22.5, 30)]

    def figures(self) -> NormalFigures:
        """The figures of all pictures together."""
        total = int(self._counts.sum())
        if not total:
            return NormalFigures(*[float("nan")] * 5)
        ranks = [(total - 1) // 2, total // 2]
        places = np.searchsorted(self._counts.cumsum(), ranks, side="right")
        median = float((places + 0.5).mean() / _PER_DEGREE)
        shares = (100 * self._below / total).tolist()
        return NormalFigures(self._sum / total, median, *shares)
