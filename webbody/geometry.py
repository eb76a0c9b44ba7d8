"""Boxes, keypoints and transforms of pictures; numpy alone.

x runs to the right and y down; boxes are x1, y1, x2, y2. Keypoints come in three frames: pixels of
a crop, in which models find them; pixels of the crop's white square (`on_letterbox`), in which
samples store them; fractions of that square, which the model takes (`on_square` from a crop).
"""

import numpy as np
from numpy.typing import NDArray

#: Side of an aligned face in pixels, and its five landmarks there (insightface's `arcface_dst`):
#: image-left eye, image-right eye, nose, image-left and image-right mouth corner.
FACE_SIDE = 112
FACE_TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366],
     [41.5493, 92.3655], [70.7299, 92.2041]],
    np.float32,
)  # fmt: skip


def padded(
    box: NDArray[np.float32], padding: float, width: int, height: int
) -> tuple[int, int, int, int]:
    """The integer rectangle around a box (4,) xyxy with a margin, inside the photo."""
    x1, y1, x2, y2 = (float(value) for value in box)
    x, y = padding * (x2 - x1), padding * (y2 - y1)
    left, top = max(0, int(np.floor(x1 - x))), max(0, int(np.floor(y1 - y)))
    right, bottom = min(width, int(np.ceil(x2 + x))), min(height, int(np.ceil(y2 + y)))
    return left, top, right, bottom


def overlaps(first: NDArray[np.floating], second: NDArray[np.floating]) -> NDArray[np.floating]:
    """Intersection over union (A, B) of boxes (A, 4) and (B, 4), each with each."""
    if not len(first) or not len(second):
        return np.zeros((len(first), len(second)))
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = np.prod(np.maximum(high - low, 0), 2)
    areas = [np.prod(boxes[:, 2:] - boxes[:, :2], 1) for boxes in (first, second)]
    return np.asarray(shared / (areas[0][:, None] + areas[1][None] - shared + 1e-9))


def similarities(source: NDArray[np.floating], target: NDArray[np.floating]) -> NDArray[np.float64]:
    """The similarity transforms (N, 2, 3) that bring points (N, K, 2) closest to `target` (K, 2).

    Least squares (Umeyama 1991) in closed form: in the complex plane rotation and scale are one
    factor. Points that all coincide give a transform of zeros.
    """
    start = source[..., 0] + 1j * source[..., 1].astype(np.float64)
    end = target[:, 0] + 1j * target[:, 1].astype(np.float64)
    centre, goal = start.mean(1), end.mean()
    away = start - centre[:, None]
    spread = (np.abs(away) ** 2).sum(1)
    turn = (away.conj() * (end - goal)).sum(1) / np.where(spread == 0, np.inf, spread)
    shift = goal - turn * centre
    rows = [[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]]
    return np.moveaxis(np.array(rows), 2, 0)


def transformed(
    points: NDArray[np.floating], transforms: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Points (N, K, 2) after their affine transforms (N, 2, 3)."""
    turned = np.einsum("nij,nkj->nki", transforms[:, :, :2], points)
    return np.asarray(turned + transforms[:, None, :, 2])


def fitted(width: int, height: int, size: int) -> tuple[float, int, int, int, int]:
    """How a picture is laid on a square of `size`: scale, new width and height, left and top."""
    scale = size / max(height, width)
    new = max(1, round(width * scale)), max(1, round(height * scale))
    return scale, *new, (size - new[0]) // 2, (size - new[1]) // 2


def on_letterbox(
    keypoints: NDArray[np.floating], scale: float, left: int, top: int, side: int = 1
) -> NDArray[np.floating]:
    """Keypoints (..., 2 or more) of a crop on the square that `webbody.images.letterbox` makes.

    scale, left and top as it gives them. In pixels of the square; with its `side` in fractions.
    """
    out = keypoints.copy()
    out[..., :2] = (keypoints[..., :2] * scale + (left, top)) / side
    return out


def on_square(keypoints: NDArray[np.float32], width: int, height: int) -> NDArray[np.float32]:
    """Keypoints (19, 3) in pixels of a picture as fractions of its white square, of any size.

    Absent points are zeros.
    """
    sides = np.array([width, height], np.float32)
    points = (keypoints[:, :2] - sides / 2) / max(width, height) + 0.5
    seen = keypoints[:, 2:]
    return np.concatenate([np.where(seen > 0, points, 0), seen], 1, dtype=np.float32)
