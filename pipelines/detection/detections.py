"""The results of person detectors."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from webbody.geometry import padded


@dataclass
class Detections:
    """The persons of one photo, in pixels of the photo.

    boxes (N, 4) xyxy inside the photo, scores (N,), keypoints (N, 17, 3) x, y, score in COCO's
    order; all float32. Detectors without keypoints give them the score 0.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    keypoints: NDArray[np.float32]

    def above(self, score: float) -> "Detections":
        """Those with at least this score."""
        kept = self.scores >= score
        return Detections(self.boxes[kept], self.scores[kept], self.keypoints[kept])

    @property
    def best(self) -> float | None:
        """The highest score; None where there is nobody."""
        return float(self.scores.max()) if len(self.scores) else None

    @classmethod
    def none(cls) -> "Detections":
        """Nobody."""
        shapes = ((0, 4), (0,), (0, 17, 3))
        return cls(*(np.zeros(shape, np.float32) for shape in shapes))

    @classmethod
    def in_photo(
        cls,
        boxes: NDArray[np.float32],
        scores: NDArray[np.float32],
        keypoints: NDArray[np.float32] | None,
        scale: tuple[float, float],
        width: int,
        height: int,
    ) -> "Detections":
        """Detections of a resized photo, mapped back; scale: (x, y) factors of the resize.

        Boxes are clipped to the photo; keypoints: (N, 17, 3), or None.
        """
        corners = boxes / np.array([*scale, *scale], np.float32)
        corners = np.clip(corners, 0, np.array([width, height, width, height], np.float32))
        points = np.zeros((len(boxes), 17, 3), np.float32)
        if keypoints is not None:
            points[:] = keypoints
        points[..., :2] /= np.array(scale, np.float32)
        return cls(corners.astype(np.float32), scores.astype(np.float32), points)


def select(
    persons: Detections, width: int, height: int, padding: float, min_side: int
) -> list[tuple[int, tuple[int, int, int, int]]]:
    """Index and padded integer area of the persons of sufficient size, largest first."""
    areas = [padded(box, padding, width, height) for box in persons.boxes]
    sides = persons.boxes[:, 2:] - persons.boxes[:, :2]
    # Ties are ordered by score, then by position, so that the order is deterministic.
    order = sorted(
        range(len(areas)),
        key=lambda i: (-sides[i].prod(), -persons.scores[i], *persons.boxes[i]),
    )
    return [
        (i, areas[i])
        for i in order
        if min(areas[i][2] - areas[i][0], areas[i][3] - areas[i][1]) >= min_side
    ]
