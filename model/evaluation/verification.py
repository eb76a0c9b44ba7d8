"""Verification of pairs by ten folds, as LFW, CFP-FP, CPLFW, CALFW and AgeDB-30 are reported.

Shape suffixes: P pairs, D width of a feature, T thresholds, K folds.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.evaluation.images import Array, as_tensor, inverse_lengths
from webbody.errors import WebbodyError

FOLDS = 10
#: Squared distances of features of length 1.
THRESHOLDS = np.arange(400) / 100


@dataclass(frozen=True)
class Verification:
    """Fractions: accuracy and std, the mean and the population's deviation over the folds.

    fold_accuracy, fold_threshold (10,): of each fold, by the threshold best for the others. tpr,
    fpr (400,): means over the folds of the shares accepted at THRESHOLDS. pairs: their number.
    """

    accuracy: float
    std: float
    fold_accuracy: NDArray[np.float64]
    fold_threshold: NDArray[np.float64]
    tpr: NDArray[np.float64]
    fpr: NDArray[np.float64]
    pairs: int


def verify(features: Array, same: Array) -> Verification:
    """Accuracy of telling by the distance whether the two images of a pair show one person.

    features (2P, D): rows 2k and 2k + 1 are pair k. same (P,): bool. Folds are ten runs of pairs,
    the first P mod 10 of them longer by one; a pair is accepted where its distance is below the
    threshold; of equally good thresholds the lowest counts (insightface's protocol).

    Raises WebbodyError for NaN, misshapen arrays, and fewer than ten pairs.
    """
    distance_P, same_P = _distances(features, same), as_tensor(same).cpu().numpy().astype(bool)
    fold_P = np.repeat(np.arange(FOLDS), [len(x) for x in np.array_split(same_P, FOLDS)])
    # The first threshold above the distance accepts the pair, and so do all that follow.
    first_P = np.searchsorted(THRESHOLDS, distance_P, side="right")
    accepted_2KT = np.zeros((2, FOLDS, len(THRESHOLDS) + 1), np.int64)
    np.add.at(accepted_2KT, (same_P.astype(int), fold_P, first_P), 1)
    total_2K1 = accepted_2KT.sum(-1, keepdims=True)
    accepted_2KT = accepted_2KT[..., :-1].cumsum(-1)
    false_KT, true_KT = accepted_2KT
    right_KT = true_KT + total_2K1[0] - false_KT
    # Best on the pairs of the other folds.
    best_K = (right_KT.sum(0) - right_KT).argmax(1)
    accuracy_K = right_KT[np.arange(FOLDS), best_K] / total_2K1.sum((0, 2))
    fpr_T, tpr_T = (accepted_2KT / np.maximum(total_2K1, 1)).mean(1)
    return Verification(
        accuracy=float(accuracy_K.mean()),
        std=float(accuracy_K.std()),
        fold_accuracy=accuracy_K,
        fold_threshold=THRESHOLDS[best_K],
        tpr=tpr_T,
        fpr=fpr_T,
        pairs=len(same_P),
    )


def _distances(features: Array, same: Array) -> NDArray[np.float64]:
    """Squared distances (P,) between the unit features of each pair."""
    features_ND = as_tensor(features).float()
    pairs = len(same)
    if pairs < FOLDS or features_ND.ndim != 2 or len(features_ND) != 2 * pairs:
        raise WebbodyError(
            f"verification takes features (2 * pairs, width) of at least {FOLDS} pairs, not "
            f"features of shape {tuple(features_ND.shape)} and {pairs} pairs"
        )
    unit_ND = features_ND * inverse_lengths(features_ND, "pair")[:, None]
    return (unit_ND[::2] - unit_ND[1::2]).square().sum(1).double().cpu().numpy()
