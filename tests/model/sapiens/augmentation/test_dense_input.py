"""Augmented masks, depth and normals: the target shows what the picture shows."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.sapiens.augmentation import (
    DEPTH_AUGMENTATION,
    NORMAL_AUGMENTATION,
    PART_AUGMENTATION,
    depth_input,
    depth_target,
    normal_input,
    part_input,
)
from model.sapiens.data import DepthSample, NormalSample, PartSample
from model.sapiens.vocabulary import part_vocabulary
from tests.model.sapiens.metrics.golden_metrics import SEEDS, arrays

PARTS = part_vocabulary(28)
SIZE = (48, 64)
#: The colour of each class; those of no class are black.
COLOURS = np.zeros((256, 3), np.uint8)
COLOURS[:28] = np.stack(np.meshgrid([0, 80, 160, 240], [0, 80, 160, 240], [100, 220]), -1).reshape(
    -1, 3
)[:28]


def plain(settings, **changes):
    """Augmentation that leaves the colours."""
    return replace(settings, colours=False, background=0, **changes)


def painted(width=80, height=60, seed=0):
    """A picture whose colours are its classes, in blocks of 10 px."""
    blocks = np.random.default_rng(seed).integers(0, 28, (height // 10, width // 10), np.uint8)
    label = np.kron(blocks, np.ones((10, 10), np.uint8))
    return PartSample(COLOURS[label], label, "painted")


def agreement(image, label, counting):
    """The share of pixels whose colour is that of their class."""
    near = np.abs(image.astype(int) - COLOURS[label]).max(-1) < 40
    return near[counting].mean() if counting.any() else 1.0


@given(st.integers(0, 2**32 - 1))
def test_classes_stay_on_their_pixels(seed):
    settings = plain(PART_AUGMENTATION, scale=(0.8, 2), flip=0)
    shown = part_input(painted(), PARTS, SIZE, np.random.default_rng(seed), settings)
    assert shown.image.shape == (64, 48, 3)
    assert shown.label.dtype == np.uint8
    assert agreement(shown.image, shown.label, shown.label != 255) > 0.6
    flipped = replace(settings, flip=1)
    other = part_input(painted(), PARTS, SIZE, np.random.default_rng(seed), flipped)
    np.testing.assert_array_equal(other.image, shown.image[:, ::-1])
    np.testing.assert_array_equal(other.label, PARTS.flip[shown.label[:, ::-1]])


def test_a_larger_scale_agrees_but_at_the_borders_of_blocks():
    settings = plain(PART_AUGMENTATION, scale=(6, 6), flip=0)
    for seed in range(10):
        shown = part_input(painted(), PARTS, SIZE, np.random.default_rng(seed), settings)
        assert agreement(shown.image, shown.label, shown.label != 255) > 0.85


def test_what_is_outside_of_the_photo_does_not_count():
    settings = plain(PART_AUGMENTATION, scale=(0.2, 0.2), rotation=0, flip=0)
    shown = part_input(painted(), PARTS, SIZE, np.random.default_rng(0), settings)
    inside = (shown.label != 255).mean()
    # 80 x 60 fits into 48 x 64 as 48 x 36, a fifth of which is 9.6 x 7.2 pixels.
    assert inside == pytest.approx(9.6 * 7.2 / (48 * 64), rel=0.25)


def test_places_of_one_class_alone_are_avoided():
    label = np.zeros((60, 80), np.uint8)
    label[20:40, 30:50] = 22
    sample = PartSample(COLOURS[label], label, "one")
    settings = plain(PART_AUGMENTATION, scale=(3, 3), rotation=0)

    def mostly_one(most):
        chosen = replace(settings, most_of_a_class=most)
        shares = []
        for seed in range(40):
            shown = part_input(sample, PARTS, SIZE, np.random.default_rng(seed), chosen)
            shares.append(max((shown.label == 0).mean(), (shown.label == 22).mean()))
        return np.mean(np.array(shares) > 0.75)

    assert mostly_one(0.75) < 0.3 < mostly_one(1.01)


def test_another_background_leaves_the_person():
    label = np.zeros((64, 48), np.uint8)
    label[10:50, 10:40] = 3
    sample = PartSample(np.full((64, 48, 3), 77, np.uint8), label, "person")
    settings = replace(
        PART_AUGMENTATION, background=1, colours=False, scale=(1, 1), rotation=0, flip=0
    )
    pictures = [
        part_input(sample, PARTS, SIZE, np.random.default_rng(seed), settings).image
        for seed in range(5)
    ]
    for image in pictures:
        assert (image[label == 3] == 77).all()
        assert (image[label == 0] != 77).any(-1).mean() > 0.5
    assert (pictures[0] != pictures[1]).any()


def surface(width=80, height=60):
    """A ramp of depth, bright where it is far, and a person in a part of it."""
    depth = np.tile(np.linspace(2, 4, width, dtype=np.float32), (height, 1))
    mask = np.zeros((height, width), bool)
    mask[10:50, 20:60] = True
    image = np.repeat(np.clip((depth - 2) * 100, 0, 255).astype(np.uint8)[..., None], 3, 2)
    return DepthSample(image, np.where(mask, depth, 0), mask, "ramp")


@given(st.integers(0, 2**32 - 1))
def test_depth_is_near_0_and_far_1_where_the_person_is(seed):
    settings = plain(DEPTH_AUGMENTATION)
    shown = depth_input(surface(), SIZE, np.random.default_rng(seed), settings)
    inside = shown.target >= 0
    assert inside.any()
    assert (shown.target[~inside] == -1).all()
    values = shown.target[inside]
    if len(np.unique(values)) > 1:
        assert (values.min(), values.max()) == (0, 1)
        # Farther is brighter in this picture.
        grey = shown.image[..., 0][inside].astype(float)
        if len(values) > 30:
            assert np.corrcoef(grey, values)[0, 1] > 0.9


def test_a_small_person_is_always_shown():
    mask = np.zeros((400, 600), bool)
    mask[390:398, 5:12] = True
    depth = np.where(mask, 2, 0).astype(np.float32)
    depth[394:398, 5:12] = 3
    sample = DepthSample(np.zeros((400, 600, 3), np.uint8), depth, mask, "small")
    settings = plain(DEPTH_AUGMENTATION, scale=(1, 4))
    for seed in range(30):
        shown = depth_input(sample, SIZE, np.random.default_rng(seed), settings)
        assert (shown.target >= 0).any()


@pytest.mark.parametrize("seed", SEEDS)
def test_depth_targets_are_those_of_the_authors(seed):
    golden = arrays("surface_inputs", seed)
    for depth, mask, expected in zip(
        golden["raw_depth"], golden["mask"], golden["target"], strict=True
    ):
        np.testing.assert_allclose(depth_target(depth, mask > 0), expected, rtol=1e-6, atol=1e-7)
    flat = golden["target_flat_depth3"]
    np.testing.assert_array_equal(depth_target(np.full((4, 4), 3.0), flat > 0), flat)


@pytest.mark.parametrize("seed", SEEDS)
def test_mirrored_normals_are_those_of_the_authors(seed):
    golden = arrays("surface_inputs", seed)
    normals = golden["flip_in"]
    height, width = normals.shape[:2]
    sample = NormalSample(
        np.zeros((height, width, 3), np.uint8), normals, np.ones((height, width), bool), "flip"
    )
    settings = plain(NORMAL_AUGMENTATION, scale=(1, 1), flip=1)
    shown = normal_input(sample, (width, height), np.random.default_rng(0), settings)
    np.testing.assert_array_equal(shown.normals, golden["flip_out"])


def bowl(side=80):
    """Normals that point away from the middle, painted as colours."""
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    normals = np.stack([x, -y, np.full_like(x, side / 2)], -1)
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    mask = x**2 + y**2 < (side * 0.45) ** 2
    image = ((normals + 1) * 127.5).astype(np.uint8)
    return NormalSample(
        image, np.where(mask[..., None], normals, 0).astype(np.float32), mask, "bowl"
    )


@given(st.integers(0, 2**32 - 1))
def test_normals_stay_on_their_pixels_and_of_length_1(seed):
    rng = np.random.default_rng(seed)
    settings = plain(NORMAL_AUGMENTATION, scale=(2, 4))
    shown = normal_input(bowl(), SIZE, rng, settings)
    assert shown.mask.any()
    lengths = np.linalg.norm(shown.normals, axis=-1)
    np.testing.assert_allclose(lengths[shown.mask], 1, rtol=1e-5)
    assert (shown.normals[~shown.mask] == 0).all()
    painted_normals = shown.image[shown.mask] / 127.5 - 1
    # A mirrored picture shows the colours of normals that have turned since.
    misses = [
        np.abs(painted_normals * (sign, 1, 1) - shown.normals[shown.mask]).mean()
        for sign in (1, -1)
    ]
    assert min(misses) < 0.05


def test_normals_are_never_turned():
    with pytest.raises(ValueError, match="not turned"):
        normal_input(bowl(), SIZE, np.random.default_rng(0), DEPTH_AUGMENTATION)


def test_without_a_generator_the_whole_photo_is_squeezed():
    sample = painted()
    same = part_input(sample, PARTS, (80, 60))
    np.testing.assert_array_equal(same.image, sample.image)
    np.testing.assert_array_equal(same.label, sample.label)
    twice = part_input(sample, PARTS, (160, 120))
    np.testing.assert_array_equal(twice.label[::2, ::2], sample.label)
    np.testing.assert_array_equal(twice.label[1::2, 1::2], sample.label)
    assert agreement(twice.image, twice.label, np.ones((120, 160), bool)) > 0.7
    depth = depth_input(surface(), SIZE).target
    assert (depth.min(), depth.max()) == (-1, 1)
    normals = normal_input(bowl(), (40, 40))
    assert normals.mask.sum() == pytest.approx(bowl().mask.sum() / 4, rel=0.05)


@pytest.mark.parametrize("task", ["parts", "depth", "normals"])
def test_augmentation_is_a_function_of_its_generator(task):
    def shown(seed):
        rng = np.random.default_rng(seed)
        if task == "parts":
            return part_input(painted(), PARTS, SIZE, rng)
        if task == "depth":
            return depth_input(surface(), SIZE, rng)
        return normal_input(bowl(), SIZE, rng)

    first, again, other = vars(shown(5)), vars(shown(5)), vars(shown(6))
    for name, values in first.items():
        np.testing.assert_array_equal(values, again[name])
    assert (first["image"] != other["image"]).any()


def test_the_smallest_photos_make_inputs():
    image, mask = np.full((1, 1, 3), 9, np.uint8), np.ones((1, 1), bool)
    part = PartSample(image, np.full((1, 1), 3, np.uint8), "dot")
    depth = DepthSample(image, np.full((1, 1), 2, np.float32), mask, "dot")
    normal = NormalSample(image, np.array([[[0, 0, 1]]], np.float32), mask, "dot")
    for rng in (None, *map(np.random.default_rng, range(5))):
        assert part_input(part, PARTS, SIZE, rng).label.shape == (64, 48)
        assert np.isfinite(depth_input(depth, SIZE, rng).target).all()
        assert normal_input(normal, SIZE, rng).normals.shape == (64, 48, 3)
