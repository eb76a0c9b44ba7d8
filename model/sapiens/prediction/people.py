"""The people of photos as inputs of a network: crops of their boxes.

Shape suffixes: N people of a photo, H W sides.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from model.sapiens.crops import centre_and_scale, crop_matrix, warped


@dataclass(frozen=True, eq=False)
class PersonCrop:
    """A person's input (H, W, 3) uint8 RGB, and the part of the photo that it shows.

    centre, scale (2,) float32: of that rectangle in pixels of the photo (`model.sapiens.crops`).
    """

    image: NDArray[np.uint8]
    centre: NDArray[np.float32]
    scale: NDArray[np.float32]


def checked_boxes(photo: NDArray[np.uint8], boxes: ArrayLike | None) -> NDArray[np.float32]:
    """Boxes (N, 4) xyxy px of a photo (H, W, 3); None: one that holds the whole photo.

    Raises ValueError for boxes that are not finite or empty, and for those outside of the photo.
    """
    height, width = photo.shape[:2]
    if boxes is None:
        return np.array([[0, 0, width, height]], np.float32)
    boxes_N4 = np.asarray(boxes, np.float32).reshape(-1, 4)
    if not np.isfinite(boxes_N4).all():
        raise ValueError("a box has coordinates that are not finite")
    if (boxes_N4[:, 2:] <= boxes_N4[:, :2]).any():
        raise ValueError("a box is empty: boxes are left, top, right, bottom")
    if (boxes_N4[:, :2] >= (width, height)).any() or (boxes_N4[:, 2:] <= 0).any():
        raise ValueError(f"a box lies outside of its photo of {width} x {height} pixels")
    return boxes_N4


def person_crops(
    photo: NDArray[np.uint8], boxes_N4: NDArray[np.float32], size: tuple[int, int]
) -> Iterator[PersonCrop]:
    """An input of `size` (height, width) for each box, made when it is asked for.

    A box is extended to the input's proportions after its padding, so nothing is squeezed.
    """
    height, width = size
    for centre, scale in zip(*centre_and_scale(boxes_N4, width / height), strict=True):
        matrix = crop_matrix(centre, scale, 0, (width, height))
        yield PersonCrop(warped(photo, matrix, (width, height)), centre, scale)
