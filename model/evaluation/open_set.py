"""Open-set identification: find enrolled probes and reject those that are not enrolled.

Shape suffixes: Q probes, B probes of a block, G gallery templates, F false identification rates.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from model.evaluation.images import Images, checked_pair
from model.evaluation.similarity import TIE, cosines, exact_products

FPIRS = (0.01, 0.1)
#: Added to the highest score of a stranger if none may be accepted.
_ABOVE = 1e-5
#: Cosines in memory at a time.
_BLOCK = 1 << 26


@dataclass(frozen=True)
class OpenSet:
    """Shares of probes identified (F,) at false identification rates (F,), and the thresholds.

    NaN where no probe, or every probe, has a mate. mated, strangers: probes with and without a
    mate. resolved (F,): whether there are strangers enough for the rate, one accepted or more.
    """

    fpir: NDArray[np.float64]
    tpir: NDArray[np.float64]
    threshold: NDArray[np.float64]
    resolved: NDArray[np.bool_]
    mated: int
    strangers: int


def identify(q: Images, g: Images, fpirs: Sequence[float] = FPIRS) -> OpenSet:
    """Identify probes `q` in the gallery `g`, where some of them have no mate.

    A probe is identified where its mate is the gallery's most similar template, with no other tied,
    and reaches the threshold: the cosine that no more than the fpir's share of strangers reach with
    their most similar template. This is what AdaFace's and PFE's code reports of IJB-S, whose
    galleries are evaluated one by one and their figures averaged.

    Raises WebbodyError for NaN and misshapen arrays.
    """
    query, gallery = checked_pair(q, g)
    # The most similar template of another person and that of the same person.
    best_2Q = torch.full((2, len(query)), -torch.inf, device=query.inverse_N.device)
    with exact_products():
        step = max(1, _BLOCK // max(1, len(gallery)))
        for start in range(0, len(query) if len(gallery) else 0, step):
            rows = slice(start, start + step)
            cosine_BG = cosines(query, rows, gallery)
            mate_BG = query.person_N[rows, None] == gallery.person_N
            for row, hidden_BG in enumerate((mate_BG, ~mate_BG)):
                best_2Q[row, rows] = cosine_BG.masked_fill(hidden_BG, -torch.inf).amax(1)
    other_Q, mate_Q = best_2Q.double().cpu().numpy()
    mated_Q = mate_Q > -np.inf
    strangers = np.sort(other_Q[~mated_Q])[::-1]
    fpir_F = np.asarray(fpirs, np.float64)
    threshold_F = _thresholds(strangers, fpir_F)
    found_Q = np.where(mate_Q - TIE > other_Q, mate_Q, -np.inf)[mated_Q]
    tpir_F = np.full(len(fpir_F), np.nan)
    if len(found_Q) and len(strangers):
        tpir_F = (found_Q >= threshold_F[:, None]).mean(1)
    return OpenSet(
        fpir=fpir_F,
        tpir=tpir_F,
        threshold=threshold_F,
        resolved=fpir_F * len(strangers) >= 1,
        mated=len(found_Q),
        strangers=len(strangers),
    )


def _thresholds(strangers: NDArray[np.float64], fpir_F: NDArray[np.float64]) -> NDArray[np.float64]:
    """The scores that no more than these shares of strangers reach; theirs do not rise."""
    if not len(strangers):
        return np.full(len(fpir_F), np.nan)
    # A product such as 0.29 * 100 is a little less than it should be.
    accepted_F = np.floor(len(strangers) * fpir_F + 1e-9).astype(int)
    thresholds_F: NDArray[np.float64] = np.where(
        accepted_F > 0, strangers[accepted_F - 1], strangers[0] + _ABOVE
    )
    return thresholds_F
