"""Choosing the person's face among the faces in a crop."""

import numpy as np
from numpy.typing import NDArray

from pipelines.detection.face_detection import DetectedFaces
from pipelines.detection.upper_body import SEEN

#: Faces below this score are ignored, not even reported as `face:low-score`.
FLOOR = 0.3
#: Largest distance of a face from the keypoints of nose and eyes, in face sizes.
FAR = 1.5


def choose(
    faces: DetectedFaces, keypoints: NDArray[np.float32] | None, width: int, height: int
) -> int | None:
    """The index of the person's face: nearest to the head's keypoints, else large and central.

    keypoints: (17, 3) in the pixels of the picture. Distances count in sizes of the face; a
    doubtful face must lie closer than a certain one, and one that lies FAR from the head is
    somebody else's. None where the person has no face.
    """
    if len(faces.boxes) == 0:
        return None
    sides = faces.boxes[:, 2:] - faces.boxes[:, :2]
    points = None if keypoints is None else keypoints[:3][keypoints[:3, 2] >= SEEN][:, :2]
    if points is not None and len(points):
        centres = faces.landmarks[:, :3].mean(1)
        away = np.linalg.norm(centres - points.mean(0), axis=1) / np.maximum(sides.max(1), 1)
        best = int(np.argmin(away - faces.scores))
        return best if away[best] <= FAR else None
    offsets = faces.boxes.reshape(-1, 2, 2).mean(1) - np.array([width / 2, height / 2])
    return int(np.argmax(sides.prod(1) - 2 * (offsets**2).sum(1)))  # insightface's own measure
