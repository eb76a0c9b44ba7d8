"""Which of several faces in a crop is the person's."""

import numpy as np

from pipelines.detection.face_choice import choose
from pipelines.detection.face_detection import DetectedFaces


def faces(*centres: tuple[float, float], side: float = 40, scores=None) -> DetectedFaces:
    at = np.array(centres, np.float32).reshape(-1, 2)
    boxes = np.concatenate([at - side / 2, at + side / 2], 1)
    offsets = np.array([[-8, -8], [8, -8], [0, 0], [-6, 10], [6, 10]], np.float32)
    values = np.array(scores or [0.9] * len(at), np.float32)
    return DetectedFaces(boxes, values, at[:, None] + offsets)


def head(x: float, y: float) -> np.ndarray:
    points = np.zeros((17, 3), np.float32)
    points[:3] = [(x, y, 0.9), (x + 8, y - 8, 0.9), (x - 8, y - 8, 0.9)]
    return points


def test_the_face_at_the_head_is_chosen():
    assert choose(faces((50, 50), (150, 60)), head(148, 58), 200, 200) == 1
    assert choose(faces((50, 50), (150, 60)), head(52, 51), 200, 200) == 0


def test_a_doubtful_face_must_be_much_closer():
    near_but_doubtful = faces((50, 50), (62, 50), scores=[0.31, 0.99])
    assert choose(near_but_doubtful, head(52, 50), 200, 200) == 1


def test_somebody_elses_face_is_not_taken():
    assert choose(faces((150, 60)), head(40, 50), 200, 200) is None


def test_without_a_head_the_large_and_central_one():
    assert choose(faces((10, 10), (100, 100)), None, 200, 200) == 1
    assert choose(faces((10, 10), (100, 100)), np.zeros((17, 3), np.float32), 200, 200) == 1


def test_no_face_at_all():
    assert choose(faces(), head(10, 10), 200, 200) is None
