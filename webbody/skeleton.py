"""The 19 keypoints of SapiensID: names, mirror images, and conversions from other layouts.

Everywhere in this project a keypoint array is (..., 19, 3): x, y and visibility. x and y are in
pixels or in fractions of the image (the caller's choice; conversions keep it); visibility is in
[0, 1], where 0 means absent, and the coordinates of an absent point are 0. Left and right are
always the subject's: the left eye of a person who faces the camera is on the image's right.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

NAMES = (
    "nose",
    "left_eye",
    "right_eye",
    "left_mouth",
    "right_mouth",
    "left_ear",
    "right_ear",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
)
COUNT = len(NAMES)
FACE = tuple(range(5))  # nose, eyes, mouth corners
UPPER = tuple(range(9))  # face, ears, shoulders

#: Where each point lands when the image is mirrored: left and right change places.
FLIP = np.array([0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15, 18, 17])

#: Slots of COCO's 17 points, in COCO's order (nose, eyes, ears, shoulders ... ankles).
COCO17 = np.array([0, 1, 2, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18])

#: For each slot its index in COCO-WholeBody's 133 points (71 and 77 are the mouth corners).
WHOLEBODY133 = np.array([0, 1, 2, 77, 71, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16])

#: For each slot its index in the 308 points of Sapiens.
SAPIENS308 = np.array([0, 1, 2, 189, 188, 3, 4, 5, 6, 7, 8, 62, 41, 9, 10, 11, 12, 13, 14])

#: Slots of five face landmarks as aligners give them: image-left eye, image-right eye, nose,
#: image-left mouth corner, image-right mouth corner. The image's left is the subject's right.
FACE5 = np.array([2, 1, 0, 4, 3])

# The authors' 22 points: COCO-17, then five aligner landmarks in the order of FACE5. Their model
# takes nose, eyes and mouth corners from the landmarks and the rest from COCO.
_AUTHORS22 = np.array([19, 18, 17, 21, 20, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16])

#: Pairs of slots that a drawing joins with a line.
EDGES = (
    (0, 1), (0, 2), (1, 5), (2, 6), (3, 4), (0, 3), (0, 4), (7, 8), (7, 9), (9, 11), (8, 10),
    (10, 12), (7, 13), (8, 14), (13, 14), (13, 15), (15, 17), (14, 16), (16, 18),
)  # fmt: skip


def clean(points: ArrayLike) -> NDArray[np.float32]:
    """Make absent points uniform; those with a coordinate that is not finite become absent.

    Args:
        points: (..., 19, 3), x, y and visibility.

    Returns:
        (..., 19, 3) float32, with x = y = 0 wherever visibility is 0.
    """
    array = np.array(points, dtype=np.float32)
    absent = ~np.isfinite(array).all(-1) | (array[..., 2] <= 0)
    array[absent] = 0
    return array


def from_coco17(points: ArrayLike) -> NDArray[np.float32]:
    """Convert COCO's 17 points; the mouth corners are absent.

    Args:
        points: (..., 17, 3), x, y and visibility or score.

    Returns:
        (..., 19, 3) float32, with x = y = 0 where visibility is 0.
    """
    source = np.asarray(points, dtype=np.float32)
    out = np.zeros((*source.shape[:-2], COUNT, 3), np.float32)
    out[..., COCO17, :] = source
    return clean(out)


def from_wholebody133(points: ArrayLike) -> NDArray[np.float32]:
    """Convert COCO-WholeBody's 133 points.

    Args:
        points: (..., 133, 3), x, y and visibility or score.

    Returns:
        (..., 19, 3) float32, with x = y = 0 where visibility is 0.
    """
    return clean(np.asarray(points, dtype=np.float32)[..., WHOLEBODY133, :])


def from_sapiens308(points: ArrayLike) -> NDArray[np.float32]:
    """Convert the 308 points of Sapiens.

    Args:
        points: (..., 308, 3), x, y and visibility or score.

    Returns:
        (..., 19, 3) float32, with x = y = 0 where visibility is 0.
    """
    return clean(np.asarray(points, dtype=np.float32)[..., SAPIENS308, :])


def with_face5(points: ArrayLike, landmarks: ArrayLike) -> NDArray[np.float32]:
    """Replace nose, eyes and mouth corners by the landmarks of a face.

    Args:
        points: (..., 19, 3), x, y and visibility.
        landmarks: (..., 5, 2) in the order of face aligners (see FACE5); they become visible.

    Returns:
        (..., 19, 3) float32.
    """
    out = np.array(points, dtype=np.float32)
    marks = np.asarray(landmarks, dtype=np.float32)
    out[..., FACE5, :2] = marks
    out[..., FACE5, 2] = 1
    return clean(out)


def from_authors22(points: ArrayLike) -> NDArray[np.float32]:
    """Convert the 22 points of the SapiensID authors' files.

    Their eyes and mouth corners name the image's left, so 1 <-> 2 and 3 <-> 4 change places.

    Args:
        points: (..., 22, 2), x and y; -1 marks a missing coordinate.

    Returns:
        (..., 19, 3) float32: x, y, and visibility 1 or 0, with x = y = 0 where it is 0.
    """
    source = np.asarray(points, dtype=np.float32)[..., _AUTHORS22, :]
    seen = (source >= 0).all(-1, keepdims=True)
    return clean(np.concatenate([source, seen.astype(np.float32)], -1))


def flip(points: ArrayLike, width: float) -> NDArray[np.float32]:
    """Mirror the points with their image; left and right stay the subject's.

    Args:
        points: (..., 19, 3), x in [0, width].
        width: Of the image, in the units of x.

    Returns:
        (..., 19, 3) float32.
    """
    out = np.array(points, dtype=np.float32)[..., FLIP, :]
    out[..., 0] = width - out[..., 0]
    return clean(out)
