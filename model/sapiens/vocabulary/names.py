"""Names of keypoints, and the mirror images that follow from them.

Left and right are the subject's. COCO's 17 points are the first of COCO-WholeBody's 133, after
which come 6 of the feet, 68 of the face and 21 of each hand (github.com/jin-s13/COCO-WholeBody).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_PAIRS = ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
_SIDES = ("left", "right")

COCO17 = ("nose", *(f"{side}_{point}" for point in _PAIRS for side in _SIDES))
_FEET = tuple(f"{side}_{point}" for side in _SIDES for point in ("big_toe", "small_toe", "heel"))
_FACE = tuple(f"face-{index}" for index in range(68))
_FINGERS = ("thumb", "forefinger", "middle_finger", "ring_finger", "pinky_finger")
_HAND = ("hand_root", *(f"{finger}{joint}" for finger in _FINGERS for joint in range(1, 5)))
WHOLEBODY133 = (*COCO17, *_FEET, *_FACE, *(f"{side}_{point}" for side in _SIDES for point in _HAND))

#: Runs of face points that mirror onto one another in reverse order: jaw, brows, nostrils, outer
#: and inner lips; the eyes' lids change places (the 68 points of iBUG 300-W).
_REVERSED = (
    range(17), range(17, 27), range(31, 36), range(48, 55), range(55, 60), range(60, 65),
    range(65, 68),
)  # fmt: skip
_EYES = ((36, 45), (37, 44), (38, 43), (39, 42), (40, 47), (41, 46))


def mirrored(names: Sequence[str]) -> NDArray[np.int64]:
    """For each name of COCO or COCO-WholeBody the index of its mirror image, (K,)."""
    face = {index: index for index in range(68)}
    for run in _REVERSED:
        face.update(zip(run, reversed(run), strict=True))
    for right, left in _EYES:
        face.update({right: left, left: right})
    index = {name: at for at, name in enumerate(names)}

    def other(name: str) -> str:
        if name.startswith("face-"):
            return f"face-{face[int(name.removeprefix('face-'))]}"
        if name.startswith("left_"):
            return name.replace("left_", "right_", 1)
        return name.replace("right_", "left_", 1)

    return np.array([index[other(name)] for name in names])
