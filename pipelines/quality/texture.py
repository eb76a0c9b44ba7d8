"""How much fine texture a picture has: skin, cloth and grain in photos, little in flat drawings."""

import cv2
import numpy as np

from webbody.images import RGB

#: Pixels on the longer side at which a picture is looked at.
_SIDE = 512
#: Levels (of 255) by which neighbours differ: in texture at least, and where no edge is at most.
_TEXTURE, _EDGE = 4, 40


def texture(image: RGB) -> float:
    """The share of pixels with fine texture among those that lie on no strong edge.

    A pixel has texture where its 3x3 neighbourhood spans at least 4 of 255 levels in a channel, and
    lies on an edge where it spans more than 40. Drawings with flat colours come near 0.

    Args:
        image: (H, W, 3) uint8 RGB of any size.

    Returns:
        0 to 1; 0 where there is nothing but edges.
    """
    shrink = _SIDE / max(image.shape[:2])
    if shrink < 1:
        height, width = (max(1, round(side * shrink)) for side in image.shape[:2])
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    around = np.ones((3, 3), np.uint8)
    span = (cv2.dilate(image, around) - cv2.erode(image, around)).max(2)
    soft = span <= _EDGE
    return float((soft & (span >= _TEXTURE)).sum() / max(1, soft.sum()))
