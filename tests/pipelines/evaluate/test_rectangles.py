"""Rectangles of images, cut out and resized in batches, against Pillow one by one."""

import numpy as np
import pytest
import torch
from PIL import Image

from pipelines.evaluate.models.rectangles import resize, unpadded
from webbody.images import letterbox

SIDE = 64
FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(80, 170, (height, width, 3), np.uint8)


def batch(squares: list[np.ndarray]) -> torch.Tensor:
    return torch.from_numpy(np.stack(squares)).permute(0, 3, 1, 2) / 127.5 - 1


def boxes(images: torch.Tensor) -> list[tuple[int, ...]]:
    """Left, top, right, bottom."""
    rows, columns = unpadded(images)
    return [(c[0], r[0], c[1], r[1]) for r, c in zip(rows.tolist(), columns.tolist(), strict=True)]


def test_padding_is_found():
    tall, wide = noise(SIDE, 33), noise(21, SIDE)
    squares = [letterbox(picture, SIDE)[0] for picture in (tall, wide, noise(SIDE, SIDE))]
    # What other libraries pad has the odd pixel on the other side.
    squares.append(np.roll(squares[0], 1, 1))
    expected = [(15, 0, 48, SIDE), (0, 21, SIDE, 42), (0, 0, SIDE, SIDE), (16, 0, 49, SIDE)]
    assert boxes(batch(squares)) == expected
    assert boxes(batch(squares).flip(-1))[0] == (16, 0, 49, SIDE)


def test_white_parts_of_a_picture_are_no_padding():
    sky, shirt, frame = noise(SIDE, 32), noise(SIDE, 32), noise(SIDE, 32)
    sky[:20], shirt[20:40] = 255, 255
    frame[:5] = frame[-5:] = 255
    blank = np.full((SIDE, SIDE, 3), 255, np.uint8)
    squares = [letterbox(picture, SIDE)[0] for picture in (sky, shirt, frame)]
    assert boxes(batch([*squares, blank])) == [(16, 0, 48, SIDE)] * 3 + [(0, 0, SIDE, SIDE)]


@pytest.mark.parametrize("interpolation", FILTERS)
@pytest.mark.parametrize("size", [(64, 32), (17, 50), (80, 90)])
def test_rectangles_are_resized_as_pillow_does(interpolation, size):
    images = [noise(SIDE, SIDE, seed) for seed in range(3)]
    places = [(10, 3, 50, 60), (0, 0, SIDE, SIDE), (5, 20, 9, 64)]
    rows, columns = (torch.tensor([box[axis::2] for box in places]) for axis in (1, 0))
    found = resize(batch(images), rows, columns, size, interpolation)
    for got, image, (left, top, right, bottom) in zip(found, images, places, strict=True):
        cut = Image.fromarray(image[top:bottom, left:right])
        want = np.asarray(cut.resize(size[::-1], FILTERS[interpolation]), np.float32)
        pixels = ((got + 1) * 127.5).clamp(0, 255).permute(1, 2, 0).numpy()
        # Pillow rounds after each of both directions.
        assert np.abs(pixels - want).max() < 2
