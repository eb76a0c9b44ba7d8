"""A filter of one's own: people whose face is blurred are dropped (docs/filters.md)."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray


def sharp_enough(
    image: NDArray[np.uint8], row: dict[str, Any], least: float = 50.0, side: int = 112
) -> bool | tuple[bool, str]:
    """Whether the variance of the Laplacian of a face is at least `least`.

    image: RGB (H, W, 3) of the crop. row: of the table `faces`, whose `box` is x1 y1 x2 y2 in
    pixels of the crop. The face is brought to `side` pixels before, so that sizes do not matter.
    """
    height, width = image.shape[:2]
    left, top, right, bottom = np.round(row["box"]).astype(int)
    face = image[max(0, top) : min(height, bottom), max(0, left) : min(width, right)]
    grey = cv2.cvtColor(np.ascontiguousarray(face), cv2.COLOR_RGB2GRAY)
    grey = cv2.resize(grey, (side, side), interpolation=cv2.INTER_AREA)
    if cv2.Laplacian(grey, cv2.CV_64F).var() < least:
        return False, "blurred"
    return True
