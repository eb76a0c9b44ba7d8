"""Fine texture: much in grain, little in flat drawings."""

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw

from pipelines.quality.texture import texture
from webbody.config import QualitySettings
from webbody.images import decode, encode_jpeg

LEAST = QualitySettings().min_texture


def drawing(seed, quality=85):
    """Flat shapes with black outlines, as JPEG."""
    rng = np.random.default_rng(seed)
    picture = Image.new("RGB", (600, 500), tuple(rng.integers(150, 256, 3).tolist()))
    draw = ImageDraw.Draw(picture)
    for _ in range(12):
        x, y = rng.integers(0, 500, 2).tolist()
        wide, high = rng.integers(30, 200, 2).tolist()
        colour = tuple(rng.integers(0, 256, 3).tolist())
        draw.ellipse([x, y, x + wide, y + high], colour, (0, 0, 0), 3)
    return decode(encode_jpeg(np.asarray(picture), quality))


def grainy(image, sigma):
    noise = np.random.default_rng(1).normal(0, sigma, image.shape[:2])[..., None]
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def test_flat_drawings_have_little_and_grain_has_much():
    assert np.mean([texture(drawing(seed)) < LEAST for seed in range(20)]) >= 0.9
    assert min(texture(grainy(drawing(seed), 3)) for seed in range(20)) > 2 * LEAST


def test_it_is_the_share_of_the_grainy_part():
    image = np.full((400, 400, 3), 128, np.uint8)
    image[:, :100] = grainy(image[:, :100], 6)
    assert texture(image) == pytest.approx(0.25, abs=0.02)


def test_edges_are_no_texture():
    stripes = np.zeros((200, 200, 3), np.uint8)
    stripes[:, ::2] = 255
    assert texture(stripes) == 0
    board = cv2.resize(stripes, (800, 800), interpolation=cv2.INTER_NEAREST)
    assert texture(board) <= 0.05


@pytest.mark.parametrize("shape", [(1, 1), (1, 2000), (2000, 1)])
def test_any_size(shape):
    assert texture(np.full((*shape, 3), 7, np.uint8)) == 0
