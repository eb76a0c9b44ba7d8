"""Changes of a picture that leave everything in its place: light, colours, blur, holes."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

_BRIGHTNESS = 32  # of 255
_FACTOR = (0.5, 1.5)  # of contrast and saturation
_HUE = 18 / 180  # of the circle
_HALF = 0.5
_KERNELS = (3, 5, 7)


def distorted(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Brightness, contrast, saturation and hue of (H, W, 3) changed, each half of the time.

    By up to 32 of 255, factors of 0.5 to 1.5, and 36 degrees; contrast before the colours or after.
    """
    values = image.astype(np.float32)
    if rng.random() < _HALF:
        values += rng.uniform(-_BRIGHTNESS, _BRIGHTNESS)
    contrast = rng.uniform(*_FACTOR) if rng.random() < _HALF else 1.0
    is_first = rng.random() < _HALF
    if is_first:
        values *= contrast
    saturation = rng.uniform(*_FACTOR) if rng.random() < _HALF else 1.0
    hue = rng.uniform(-_HUE, _HUE) if rng.random() < _HALF else 0.0
    if saturation != 1 or hue:
        values = _coloured(_bytes(values), saturation, hue).astype(np.float32)
    return _bytes(values if is_first else values * contrast)


def blurred(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Averaged over squares of 3, 5 or 7 pixels."""
    filtered = ImageFilter.BoxBlur(int(rng.choice(_KERNELS)) // 2)
    return np.asarray(Image.fromarray(image).filter(filtered))


def median_filtered(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """The median over squares of 3 or 5 pixels."""
    filtered = ImageFilter.MedianFilter(int(rng.choice(_KERNELS[:2])))
    return np.asarray(Image.fromarray(image).filter(filtered))


def with_hole(
    image: NDArray[np.uint8], rng: np.random.Generator, sides: tuple[float, float]
) -> NDArray[np.uint8]:
    """A black rectangle somewhere inside; sides: the range of its sides by those of the image."""
    extent = np.array(image.shape[:2])
    hole = np.round(rng.uniform(*sides, 2) * extent).astype(int)
    top, left = (int(value) for value in rng.integers(0, extent - hole + 1))
    out = image.copy()
    out[top : top + hole[0], left : left + hole[1]] = 0
    return out


def random_background(rng: np.random.Generator, size: tuple[int, int]) -> NDArray[np.uint8]:
    """A picture (H, W, 3) of nothing, of `size` (width, height): patches or washes, with noise."""
    rows, columns = (int(value) for value in rng.integers(1, 13, 2))
    middle, spread = rng.uniform(30, 225, 3), rng.uniform(5, 120)
    grid = middle + rng.uniform(-spread, spread, (rows, columns, 3))
    ways = (Image.Resampling.NEAREST, Image.Resampling.BILINEAR, Image.Resampling.BICUBIC)
    way = ways[int(rng.integers(len(ways)))]
    wash = np.asarray(Image.fromarray(_bytes(grid)).resize(size, way), np.float32)
    noise = rng.normal(0, rng.uniform(0, 15), (size[1], size[0], 1)).astype(np.float32)
    return _bytes(wash + noise)


def _coloured(image: NDArray[np.uint8], saturation: float, hue: float) -> NDArray[np.uint8]:
    hsv = np.asarray(Image.fromarray(image).convert("HSV"))
    turned = (hsv[..., 0].astype(np.int16) + round(hue * 256)) % 256
    denser = np.clip(hsv[..., 1] * np.float32(saturation), 0, 255)
    changed = np.stack([turned, denser, hsv[..., 2]], -1).astype(np.uint8)
    return np.asarray(Image.fromarray(changed, "HSV").convert("RGB"))


def _bytes(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    return np.asarray(np.clip(np.round(values), 0, 255).astype(np.uint8))
