"""Recoloured pictures stay pictures of the same places."""

import numpy as np
from PIL import Image

from model.sapiens.augmentation.colours import (
    blurred,
    distorted,
    median_filtered,
    random_background,
    with_hole,
)


def picture():
    noise = np.random.default_rng(0).integers(0, 256, (8, 6, 3), np.uint8)
    return np.asarray(Image.fromarray(noise).resize((60, 80), Image.Resampling.BICUBIC))


def test_colours_change_within_their_ranges_and_not_always():
    same = 0
    for seed in range(60):
        changed = distorted(picture(), np.random.default_rng(seed))
        assert changed.dtype == np.uint8
        same += bool((changed == picture()).all())
        # What is brighter mostly stays brighter.
        before, after = picture().mean(-1).ravel(), changed.mean(-1).ravel()
        assert np.corrcoef(before, after)[0, 1] > 0.7
    assert 0 < same < 15  # one in sixteen is left alone


def test_grey_pictures_keep_their_hue():
    grey = np.repeat(picture()[..., :1], 3, 2)
    for seed in range(20):
        changed = distorted(grey, np.random.default_rng(seed)).astype(int)
        assert np.ptp(changed, axis=-1).max() <= 2


def test_blur_and_median_smooth():
    noise = np.random.default_rng(1).integers(0, 256, (40, 30, 3), np.uint8)
    for smooth in (blurred, median_filtered):
        changed = smooth(noise, np.random.default_rng(0))
        assert changed.shape == noise.shape
        assert changed.std() < noise.std()


def test_a_hole_leaves_the_rest():
    image = np.full((40, 30, 3), 7, np.uint8)
    changed = with_hole(image, np.random.default_rng(0), (0.5, 0.5))
    assert (changed == 0).all(-1).sum() == 20 * 15
    assert (image == 7).all()


def test_backgrounds_are_of_their_size_and_of_many_kinds():
    pictures = [random_background(np.random.default_rng(seed), (30, 40)) for seed in range(20)]
    assert {image.shape for image in pictures} == {(40, 30, 3)}
    means = np.array([image.mean((0, 1)) for image in pictures])
    assert means.std(0).min() > 20
