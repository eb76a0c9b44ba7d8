"""How well features tell people apart: figures over all pairs of a held-out set."""

from __future__ import annotations

import numpy as np


def verification_figures(features: np.ndarray, persons: np.ndarray) -> dict[str, float]:
    """Cosine verification over all pairs of features (N, D) of persons (N,).

    auc; eer with its cosine threshold; true accept rates at false accept rates 1e-2 and 1e-3, with
    their thresholds; top1: share of faces whose nearest other face is the same person's.
    """
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    cosines = unit @ unit.T
    same = persons[:, None] == persons[None]
    pairs = np.triu_indices(len(unit), 1)
    genuine, impostor = np.sort(cosines[pairs][same[pairs]]), np.sort(cosines[pairs][~same[pairs]])

    accepted = 1 - np.searchsorted(impostor, genuine) / len(impostor)
    rejected = np.arange(len(genuine)) / len(genuine)
    equal = int(np.argmin(np.abs(accepted - rejected)))
    figures = {
        "auc": 1 - accepted.mean(),
        "eer": (accepted[equal] + rejected[equal]) / 2,
        "eer_cosine": genuine[equal],
    }
    for name, rate in (("1e-2", 0.01), ("1e-3", 0.001)):
        threshold = np.quantile(impostor, 1 - rate)
        figures[f"tar@far={name}"] = (genuine > threshold).mean()
        figures[f"cosine@far={name}"] = threshold
    np.fill_diagonal(cosines, -2)
    figures["top1"] = (persons[cosines.argmax(1)] == persons).mean()
    return {name: round(float(value), 4) for name, value in figures.items()}
