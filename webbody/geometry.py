"""Boxes and points in pictures: pixels, x to the right and y down; boxes are x1, y1, x2, y2."""

import numpy as np
from numpy.typing import NDArray


def padded(
    box: NDArray[np.float32], padding: float, width: int, height: int
) -> tuple[int, int, int, int]:
    """The integer rectangle around a box (4,) xyxy with a margin, inside the photo."""
    x1, y1, x2, y2 = (float(value) for value in box)
    x, y = padding * (x2 - x1), padding * (y2 - y1)
    left, top = max(0, int(np.floor(x1 - x))), max(0, int(np.floor(y1 - y)))
    right, bottom = min(width, int(np.ceil(x2 + x))), min(height, int(np.ceil(y2 + y)))
    return left, top, right, bottom
