"""A person's box as the upright input of a network, and back (Huang et al., 2020: UDP).

Coordinates are counted from the centre of the first pixel, so a side of n pixels is n - 1 long:
unlike a count of pixels, this makes mirroring and resizing exact. A scale is the width and height
of the rectangle of the photo that the input shows.

Shape suffixes: N boxes, K keypoints, H W image sides, C channels.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

#: How much of the surroundings a crop shows: sides of the rectangle by those of the box.
PADDING = 1.25
_AFFINE = Image.Transform.AFFINE


def centre_and_scale(
    boxes_N4: NDArray[np.floating], aspect: float, padding: float = PADDING
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Centres (N, 2) and scales (N, 2) of boxes xyxy, extended to width / height = `aspect`."""
    boxes_N4 = np.asarray(boxes_N4, np.float32).reshape(-1, 4)
    centre_N2 = (boxes_N4[:, :2] + boxes_N4[:, 2:]) / 2
    sides_N2 = (boxes_N4[:, 2:] - boxes_N4[:, :2]) * np.float32(padding)
    width_N, height_N = sides_N2.T
    is_wide_N = width_N > height_N * aspect
    scale_N2 = np.stack(
        [
            np.where(is_wide_N, width_N, height_N * aspect),
            np.where(is_wide_N, width_N / aspect, height_N),
        ],
        1,
    )
    return centre_N2.astype(np.float32), scale_N2.astype(np.float32)


def crop_matrix(
    centre_2: NDArray[np.floating],
    scale_2: NDArray[np.floating],
    rotation: float,
    size: tuple[int, int],
) -> NDArray[np.float64]:
    """The affine map (2, 3) from the photo to an input of `size` (width, height).

    The rectangle of the photo is turned by `rotation` degrees around its centre, such that what
    the input shows turns clockwise.
    """
    centre = np.asarray(centre_2, np.float64)
    scale = np.asarray(scale_2, np.float64)
    sine, cosine = np.sin(np.deg2rad(rotation)), np.cos(np.deg2rad(rotation))
    stretch = (np.array(size) - 1) / scale
    turn = np.array([[cosine, -sine], [sine, cosine]])
    shift = scale / 2 - turn @ centre
    return np.column_stack([stretch[:, None] * turn, stretch * shift])


def moved(points_K2: NDArray[np.floating], matrix_23: NDArray[np.floating]) -> NDArray[np.float64]:
    """Points (..., 2) after an affine map."""
    matrix = np.asarray(matrix_23, np.float64)
    return np.asarray(np.asarray(points_K2, np.float64) @ matrix[:, :2].T + matrix[:, 2])


def warped(
    image_HWC: NDArray[np.uint8],
    matrix_23: NDArray[np.floating],
    size: tuple[int, int],
    fill: tuple[int, int, int] = (0, 0, 0),
) -> NDArray[np.uint8]:
    """The input (height, width, 3) that a map shows of a photo, bilinear; `fill` outside of it."""
    part_HWC, matrix_23 = _needed(image_HWC, matrix_23, size, fill)
    shown = Image.fromarray(part_HWC).transform(
        size, _AFFINE, _for_pillow(matrix_23), Image.Resampling.BILINEAR, fillcolor=fill
    )
    return np.asarray(shown)


def warped_map(
    values_HW: NDArray[np.floating] | NDArray[np.uint8],
    matrix_23: NDArray[np.floating],
    size: tuple[int, int],
    fill: float = 0,
) -> NDArray[np.float32]:
    """The same of a map of one number a pixel, such as labels or depth: that of the nearest."""
    part_HW, matrix_23 = _needed(np.asarray(values_HW, np.float32), matrix_23, size, fill)
    shown = Image.fromarray(part_HW).transform(
        size, _AFFINE, _for_pillow(matrix_23), Image.Resampling.NEAREST, fillcolor=fill
    )
    return np.asarray(shown, np.float32)


def to_photo(
    points_NK2: NDArray[np.floating],
    centre_N2: NDArray[np.floating],
    scale_N2: NDArray[np.floating],
    size: tuple[int, int],
) -> NDArray[np.float64]:
    """Decoded points (N, K, 2) of inputs of `size` (width, height), in pixels of the photo.

    Decoding counts an input as `size` long (`model.sapiens.udp.decode`), which this undoes.
    """
    scale_N2 = np.asarray(scale_N2, np.float64)
    corner_N2 = np.asarray(centre_N2, np.float64) - scale_N2 / 2
    shares_NK2 = np.asarray(points_NK2, np.float64) / np.array(size)
    return np.asarray(shares_NK2 * scale_N2[:, None] + corner_N2[:, None])


def _needed(
    image: NDArray[Any], matrix_23: NDArray[np.floating], size: tuple[int, int], fill: Any
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """The part of an image that a map shows, with a border of `fill`, and the map from there.

    Pillow does not blend the outermost pixels with what is outside; with a border it need not.
    """
    height, width = image.shape[:2]
    corners = np.array([[x, y] for x in (0, size[0] - 1) for y in (0, size[1] - 1)])
    seen = moved(corners, _inverse(matrix_23))
    left, top = (int(value) for value in np.clip(np.floor(seen.min(0)) - 1, 0, (width, height)))
    right, bottom = (
        int(value) for value in np.clip(np.ceil(seen.max(0)) + 2, (left, top), (width, height))
    )
    part = np.empty((bottom - top + 2, right - left + 2, *image.shape[2:]), image.dtype)
    part[:] = fill
    part[1:-1, 1:-1] = image[top:bottom, left:right]
    matrix = np.array(matrix_23, np.float64)
    matrix[:, 2] += matrix[:, :2] @ (left - 1, top - 1)
    return part, matrix


def _inverse(matrix_23: NDArray[np.floating]) -> NDArray[np.float64]:
    whole = np.vstack([np.asarray(matrix_23, np.float64), [0, 0, 1]])
    return np.asarray(np.linalg.inv(whole)[:2])


def _for_pillow(matrix_23: NDArray[np.floating]) -> tuple[float, ...]:
    """The inverse map, in Pillow's coordinates, which begin at the corner of the first pixel."""
    inverse = _inverse(matrix_23)
    shift = inverse[:, 2] + 0.5 - inverse[:, :2].sum(1) / 2
    return (*inverse[0, :2], shift[0], *inverse[1, :2], shift[1])
