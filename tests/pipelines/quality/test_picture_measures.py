"""Measures of pictures: cleanvision's own figures, and sharpness against blur."""

import cv2
import numpy as np
import pytest

from pipelines.quality.picture_measures import measure, sharpness
from webbody.demo.drawing.scene import crowd


def made(height, width, low, high, seed):
    """A slope of colours between two levels, with noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    slope = np.stack([x * 255 / width, y * 255 / height, (x + y) * 255 / (height + width)], -1)
    picture = low + (high - low) * slope / 255 + rng.integers(-8, 9, (height, width, 3))
    return np.clip(picture, 0, 255).astype(np.uint8)


#: What cleanvision 0.3.7 computes: calc_aspect_ratio, calc_percentile_brightness (5 and 99),
#: calc_entropy.
CLEANVISION = {
    (120, 90, 0, 255, 1): (0.75, 0.159835, 0.933155, 9.469204),
    (200, 40, 10, 60, 2): (0.2, 0.065288, 0.229652, 7.406254),
    (64, 250, 235, 255, 3): (0.256, 0.921894, 0.998115, 6.208985),
    (900, 600, 0, 255, 4): (0.666667, 0.164375, 0.937307, 9.492227),
}


@pytest.mark.parametrize("picture", CLEANVISION)
def test_measures_are_cleanvisions(picture):
    found = measure(made(*picture))
    figures = found.aspect, found.brightness_5, found.brightness_99, found.entropy
    exact = max(picture[:2]) <= 256  # a larger picture is reduced first
    assert figures == pytest.approx(CLEANVISION[picture], abs=1e-6 if exact else 0.015)


def test_blur_lowers_sharpness_and_size_does_not():
    for seed in range(4):
        image = crowd(np.random.default_rng(seed), size=(480, 480)).image
        large = cv2.resize(image, (1200, 1200), interpolation=cv2.INTER_CUBIC)
        sharp = measure(image).sharpness
        assert measure(large).sharpness == pytest.approx(sharp, rel=0.35)
        blurred = [measure(cv2.GaussianBlur(image, (0, 0), s)).sharpness for s in (2, 4, 8)]
        assert sharp > blurred[0] > blurred[1] > blurred[2]
        assert blurred[2] < 20


@pytest.mark.parametrize("shape", [(1, 1), (1, 700), (700, 1)])
def test_the_smallest_pictures_have_measures(shape):
    found = measure(np.full((*shape, 3), 255, np.uint8))
    assert found.brightness_5 == pytest.approx(1)
    assert found.entropy == pytest.approx(np.log2(3))
    assert found.sharpness == 0
    assert sharpness(np.zeros((*shape, 3), np.uint8)) == 0
