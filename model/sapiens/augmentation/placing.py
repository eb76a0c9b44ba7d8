"""Where the parts of a photo come to lie in an input.

Sizes are (width, height). Maps (2, 3) lead from pixels of the photo to pixels of the input.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

_TRIES = 10


def squeezed(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """A whole photo (H, W, 3) at another size, its proportions lost; bilinear without antialias."""
    if image.shape[:2] == size[::-1]:
        return image
    values_1CHW = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None].float()
    resized = F.interpolate(values_1CHW, size[::-1], mode="bilinear", align_corners=False)
    return np.asarray(resized[0].permute(1, 2, 0).round().to(torch.uint8).numpy())


def nearest(values: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """A map (H, W, ...) at another size: of each pixel the value at its centre."""
    rows, columns = (
        ((np.arange(new) + 0.5) * old / new).astype(int)
        for new, old in zip(size[::-1], values.shape[:2], strict=True)
    )
    return np.asarray(values[rows[:, None], columns])


def chained(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """The map that applies `first`, then `second`."""
    last = np.array([[0.0, 0, 1]])
    return np.asarray((np.vstack([second, last]) @ np.vstack([first, last]))[:2])


def random_place(
    rng: np.random.Generator,
    photo: tuple[int, int],
    size: tuple[int, int],
    scales: tuple[float, float],
    rotation: float,
    is_good: Callable[[NDArray[np.float64]], bool],
    fallback: tuple[float, float] | None = None,
) -> NDArray[np.float64]:
    """A random part of a photo at a random scale, turned around the middle of the input.

    scales: range of the factor, 1 where the whole photo just fits into the input. What is larger
    than the input is cut at random, what is smaller lies anywhere in it. rotation: degrees.

    is_good: whether a place will do; ten are tried, after which the last is taken, moved so that
    the photo's point `fallback` is in the middle where there is one.
    """
    scale = rng.uniform(*scales) * min(size[0] / photo[0], size[1] / photo[1])
    extent = np.array(photo) * scale
    room = extent - size
    for _ in range(_TRIES):
        corner = rng.uniform(0, 1, 2) * room  # of the input in the scaled photo; may be negative
        place = _place(scale, corner, rotation, size)
        if is_good(place):
            return place
    if fallback is not None:
        # Exactly on a pixel: what is smaller than one is not missed.
        shown = place[:, :2] @ np.array(fallback) + place[:, 2]
        place[:, 2] += np.array(size) // 2 - shown
    return place


def _place(
    scale: float, corner: NDArray[np.float64], rotation: float, size: tuple[int, int]
) -> NDArray[np.float64]:
    sine, cosine = np.sin(np.deg2rad(rotation)), np.cos(np.deg2rad(rotation))
    turn = np.array([[cosine, -sine], [sine, cosine]])
    middle = (np.array(size) - 1) / 2
    # To the scaled photo (whose pixels' centres lie half a pixel inside), its crop, and turned.
    moved = (scale - 1) / 2 - corner - middle
    return np.column_stack([turn * scale, turn @ moved + middle])
