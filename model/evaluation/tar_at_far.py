"""True accept rates at small false accept rates: IJB-B and IJB-C, one template against another.

Shape suffixes: T templates, P pairs, D width of a feature, F false accept rates, V points of a ROC.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.evaluation.images import Array, as_tensor
from webbody.errors import WebbodyError

FARS = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
#: Pairs whose features are gathered at a time.
_GATHERED = 1 << 16


@dataclass(frozen=True)
class TarAtFar:
    """True accept rates (F,) at false accept rates (F,), fractions, and the scores accepted from.

    actual: the false accept rates at these thresholds. resolved: whether there are negatives
    enough for the rate, one accepted or more. positives, negatives: pairs of each kind.
    """

    far: NDArray[np.float64]
    tar: NDArray[np.float64]
    threshold: NDArray[np.float64]
    actual: NDArray[np.float64]
    resolved: NDArray[np.bool_]
    positives: int
    negatives: int


def pair_scores(features_TD: Tensor, numbers_T: Tensor, first: Array, second: Array) -> Tensor:
    """Dot products (P,) of the templates that a list of pairs names by number.

    features_TD and numbers_T are what `pool_templates` returns. Raises WebbodyError where a
    pair names a template without images.
    """
    sides = []
    for number in (first, second):
        number_P = as_tensor(number).to(numbers_T)
        place_P = torch.searchsorted(numbers_T, number_P).clamp(max=len(numbers_T) - 1)
        missing_P = numbers_T[place_P] != number_P
        if missing_P.any():
            raise WebbodyError(
                f"{int(missing_P.sum())} pairs name templates without images, the first of them "
                f"template {int(number_P[missing_P][0])}"
            )
        sides.append(place_P.split(_GATHERED))
    parts = [(features_TD[a] * features_TD[b]).sum(1) for a, b in zip(*sides, strict=True)]
    return torch.cat(parts) if parts else features_TD.new_zeros(0)


def tar_at_far(scores: Array, same: Array, fars: Sequence[float] = FARS) -> TarAtFar:
    """The true accept rates of pairs with `scores` (P,), of which `same` (P,) show one person.

    Read at the vertex of the ROC whose false accept rate is nearest to the one wanted, which it
    may exceed; of equally near ones the higher (the authors' tools; no interpolation).

    Raises WebbodyError for NaN, and without pairs of each kind.
    """
    score_P = as_tensor(scores).double().cpu().numpy()
    same_P = as_tensor(same).cpu().numpy().astype(bool)
    if not np.isfinite(score_P).all():
        raise WebbodyError("some scores of pairs are NaN: fix what made their features")
    positives, negatives = int(same_P.sum()), int((~same_P).sum())
    if not positives or not negatives:
        raise WebbodyError(
            f"a ROC takes pairs of both kinds, not {positives} of one person and {negatives} of two"
        )
    fpr_V, tpr_V, threshold_V = roc(score_P, same_P)
    far_F = np.asarray(fars, np.float64)
    # Turned round, so that the first of equally near vertices is the highest.
    distance_FV = np.abs(fpr_V[::-1] - far_F[:, None])
    nearest_F = len(fpr_V) - 1 - distance_FV.argmin(1)
    return TarAtFar(
        far=far_F,
        tar=tpr_V[nearest_F],
        threshold=threshold_V[nearest_F],
        actual=fpr_V[nearest_F],
        resolved=far_F * negatives >= 1,
        positives=positives,
        negatives=negatives,
    )


def roc(
    score_P: NDArray[np.float64], same_P: NDArray[np.bool_]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """False and true accept rates and thresholds (V,) of a ROC's vertices, from (0, 0) on.

    Those of scikit-learn's `roc_curve`: a point between two others on a straight line is left out.
    """
    order_P = np.argsort(-score_P, kind="stable")
    score_P = score_P[order_P]
    last = np.append(np.flatnonzero(np.diff(score_P)), len(score_P) - 1)
    true_V = np.cumsum(same_P[order_P])[last]
    false_V = 1 + last - true_V
    bends = np.diff(false_V, 2).astype(bool) | np.diff(true_V, 2).astype(bool)
    kept = np.concatenate([[True], bends, [True]])[: len(last)]
    false_V, true_V, threshold_V = (
        np.append(first, values[kept])
        for first, values in zip((0, 0, np.inf), (false_V, true_V, score_P[last]), strict=True)
    )
    return false_V / false_V[-1], true_V / true_V[-1], threshold_V
