"""The part of a person crop in which the face is looked for."""

import numpy as np
from numpy.typing import NDArray

#: Keypoints below this score are ignored.
SEEN = 0.5
#: Regions with a shorter side (pixels) are discarded: the keypoints were wrong.
_LEAST = 12

_HEAD, _SHOULDERS = slice(0, 5), slice(5, 7)


def upper_body(
    keypoints: NDArray[np.float32], width: int, height: int
) -> tuple[tuple[int, int, int, int], bool]:
    """The region of the head, integer xyxy in the crop, and whether keypoints located it.

    keypoints: (17, 3) x, y, score in pixels of the crop, COCO's order. width, height of the crop.
    Around nose, eyes, ears and shoulders, widened by 0.375 of its width at each side and by 1.5 of
    its height upwards, cut at the lower shoulder (the rule of the authors' scripts). Beside the
    points of the head stays at least as much room as they span, which their rule grants to the
    ears alone and which a head without ears or shoulders needs as well. Without two points of the
    head it is the whole crop.
    """
    whole = (0, 0, width, height)
    seen = keypoints[:, 2] >= SEEN
    head = keypoints[_HEAD, :2][seen[_HEAD]]
    shoulders = keypoints[_SHOULDERS, :2][seen[_SHOULDERS]]
    if len(head) < 2:
        return whole, False
    points = np.concatenate([head, shoulders])
    (left, top), (right, bottom) = points.min(0), points.max(0)
    wide, high = right - left, bottom - top
    (head_left, head_top), (head_right, head_bottom) = head.min(0), head.max(0)
    span = max(head_right - head_left, head_bottom - head_top)
    left = min(left - 0.375 * wide, head_left - span)
    right = max(right + 0.375 * wide, head_right + span)
    top = min(top - 1.5 * high, head_top - 1.5 * span)
    if len(shoulders):
        bottom = max(shoulders[:, 1].max(), head_bottom + span)
    else:
        bottom = head_bottom + 2.5 * span
    x1, y1 = max(0, int(np.floor(left))), max(0, int(np.floor(top)))
    x2, y2 = min(width, int(np.ceil(right))), min(height, int(np.ceil(bottom)))
    if min(x2 - x1, y2 - y1) < _LEAST:
        return whole, False
    return (x1, y1, x2, y2), True
