"""Comparing found boxes with true ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from webbody.geometry import overlaps

_IOU = 0.5


class DetectionTally:
    """Counts of found, missed and invented boxes."""

    def __init__(self) -> None:
        self.found = self.missed = self.invented = 0

    def add(
        self, truth: np.ndarray, required: np.ndarray, boxes: np.ndarray
    ) -> list[tuple[int, int]]:
        """Compare boxes with the truth, (N, 4) each; return the pairs that match required truth.

        required: (N,) bool; other true boxes may be found or not.
        """
        pairs = matches(truth, boxes)
        good = [(a, b) for a, b in pairs if required[a]]
        self.found += len(good)
        self.missed += int(required.sum()) - len(good)
        # What overlaps other true boxes a little is no invention: its visible part may be small.
        near = set(np.flatnonzero((overlaps(truth[~required], boxes) > 0.2).any(0)))
        self.invented += len(set(range(len(boxes))) - near - {b for _, b in pairs})
        return good

    def figures(self) -> dict[str, Any]:
        """Recall and precision, and the number of boxes that were to be found."""
        required = self.found + self.missed
        return {
            "recall": round(self.found / max(1, required), 4),
            "precision": round(self.found / max(1, self.found + self.invented), 4),
            "wanted": required,
        }


def matches(truth: np.ndarray, boxes: np.ndarray) -> list[tuple[int, int]]:
    """Pairs (truth, box) with an IoU of at least 0.5, the best first, each used once."""
    overlap = overlaps(truth, boxes)
    pairs = []
    while overlap.size and overlap.max() >= _IOU:
        a, b = np.unravel_index(overlap.argmax(), overlap.shape)
        pairs.append((int(a), int(b)))
        overlap[a], overlap[:, b] = 0, 0
    return pairs
