"""The 19 keypoints of a person, from a keypoint model's points and a face's landmarks."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from webbody import skeleton


def to_sapiensid19(
    points: NDArray[np.float32],
    scores: NDArray[np.float32],
    landmarks: ArrayLike | None,
    face_score: float | None,
    width: int,
    height: int,
    min_score: float,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Keypoints (19, 3) with visibility 0 or 1 inside the crop, and the scores (19,) in 0..1.

    points (K, 2) in pixels of the crop and scores (K,), confidences in 0..1, are those of a model
    with all 19 or with COCO's 17. COCO has no mouth corners: then nose, eyes and mouth are taken
    from the face's landmarks (5, 2), with the face's score, if there is a face. Points below
    `min_score` are absent.
    """
    raw = np.concatenate([points, scores[:, None]], 1)
    if len(points) == skeleton.COUNT:
        out, all_scores = skeleton.clean(raw), scores.copy()
    else:
        out = skeleton.from_coco17(raw)
        all_scores = np.zeros(skeleton.COUNT, np.float32)
        all_scores[skeleton.COCO17] = scores
        if landmarks is not None:
            out = skeleton.with_face5(out, np.reshape(landmarks, (5, 2)))
            all_scores[list(skeleton.FACE)] = face_score
    inside = (out[:, :2] >= 0).all(1) & (out[:, 0] < width) & (out[:, 1] < height)
    out[:, 2] = inside & (out[:, 2] > 0) & (all_scores >= min_score)
    return skeleton.clean(out), all_scores
