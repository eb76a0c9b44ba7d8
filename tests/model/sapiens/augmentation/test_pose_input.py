"""Augmented people: keypoints stay on what they name, whatever happens to the picture."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.sapiens.augmentation import PoseAugmentation, pose_input
from model.sapiens.crops import to_photo
from model.sapiens.data import PoseSample
from model.sapiens.vocabulary import keypoint_vocabulary

COCO = keypoint_vocabulary(17)
SIZE = (96, 128)
#: Moves and turns, and leaves the colours.
MOVES = PoseAugmentation(colours=False, blur=0, median=0, hole_probability=0)
STILL = replace(MOVES, flip=0, half_body=0, shift_probability=0, scale=(1, 1),
                rotation_probability=0)  # fmt: skip


@cache
def drawn_person(width=300, height=400):
    """Somebody whose keypoints are discs, the colour of each its own."""
    rng = np.random.default_rng(3)
    columns, rows = np.meshgrid(np.linspace(0.3, 0.7, 4), np.linspace(0.2, 0.8, 5))
    places = np.stack([columns.ravel(), rows.ravel()], 1)[rng.permutation(20)[:17]]
    points = np.round(places * (width, height))
    image = np.full((height, width, 3), 20, np.uint8)
    y, x = np.mgrid[:height, :width]
    for point, colour in zip(points, colours(), strict=True):
        image[(x - point[0]) ** 2 + (y - point[1]) ** 2 <= 12**2] = colour
    keypoints = np.column_stack([points, np.full(17, 2)]).astype(np.float32)
    keypoints[5] = 0
    box = np.array([70, 60, 230, 340], np.float32)
    return PoseSample(image, box, keypoints, image_id=1, annotation_id=1)


def person():
    """A copy, for tests that change it."""
    drawn = drawn_person()
    return replace(drawn, image=drawn.image.copy(), keypoints=drawn.keypoints.copy())


def colours():
    """Of the points, (17, 3): no two alike, none near that of the background."""
    steps = np.stack(np.meshgrid(*[[60, 150, 240]] * 3), -1).reshape(-1, 3)
    return steps[:17].astype(np.uint8)


@given(st.integers(0, 2**32 - 1))
def test_a_keypoint_stays_on_what_it_names(seed):
    sample = person()
    given_input = pose_input(sample, COCO, SIZE, np.random.default_rng(seed), MOVES)
    assert given_input.image.shape == (128, 96, 3)
    mirrored = pose_mirrored(seed)
    for at in range(17):
        x, y = np.round(given_input.keypoints[at]).astype(int)
        if given_input.visible[at] and 2 < x < 93 and 2 < y < 125:
            # Of a mirrored person the left eye is where the right eye was drawn.
            drawn = COCO.flip[at] if mirrored else at
            assert np.abs(given_input.image[y, x].astype(int) - colours()[drawn]).max() <= 3
    hidden = COCO.flip[5] if mirrored else 5
    assert given_input.visible[hidden] == 0
    assert given_input.keypoints[hidden].tolist() == [0, 0]


def pose_mirrored(seed):
    """Whether the only point without a label changed sides."""
    given_input = pose_input(person(), COCO, SIZE, np.random.default_rng(seed), MOVES)
    return given_input.visible[5] == 1


def test_both_sides_occur():
    found = {bool(pose_mirrored(seed)) for seed in range(20)}
    assert found == {True, False}


def test_a_plain_crop_leads_back_to_the_photo():
    sample = person()
    plain = pose_input(sample, COCO, SIZE)
    # `to_photo` takes what decoding gives: shares of the input of n pixels times n, not n - 1.
    decoded = plain.keypoints[None] * (np.array(SIZE) / (np.array(SIZE) - 1))
    back = to_photo(decoded, plain.centre[None], plain.scale[None], SIZE)[0]
    labelled = sample.keypoints[:, 2] > 0
    np.testing.assert_allclose(back[labelled], sample.keypoints[labelled, :2], atol=1e-3)
    still = pose_input(sample, COCO, SIZE, np.random.default_rng(0), STILL)
    np.testing.assert_array_equal(still.image, plain.image)
    np.testing.assert_allclose(still.keypoints, plain.keypoints, atol=1e-4)


def test_augmentation_is_a_function_of_its_generator():
    first, again, other = (
        pose_input(person(), COCO, SIZE, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.keypoints, again.keypoints)
    assert (first.image != other.image).any()


def test_the_sample_is_left_alone():
    sample, untouched = person(), person()
    for seed in range(5):
        pose_input(sample, COCO, SIZE, np.random.default_rng(seed))
    np.testing.assert_array_equal(sample.image, untouched.image)
    np.testing.assert_array_equal(sample.keypoints, untouched.keypoints)
    np.testing.assert_array_equal(sample.box, untouched.box)


def test_half_a_body_is_shown_larger():
    settings = replace(STILL, half_body=1.0)
    whole = pose_input(person(), COCO, SIZE).scale
    sizes = [
        pose_input(standing(), COCO, SIZE, np.random.default_rng(seed), settings)
        for seed in range(20)
    ]
    assert all(shown.scale[1] < whole[1] for shown in sizes)
    uppers = [centre_y(shown) < 200 for shown in sizes]
    assert 8 <= sum(uppers) < 20


def centre_y(shown):
    return float(shown.centre[1])


def standing():
    """Legs below, the rest above."""
    sample = person()
    keypoints = sample.keypoints.copy()
    keypoints[:, 2] = 2
    keypoints[:11, :2] = np.random.default_rng(0).uniform((100, 70), (200, 160), (11, 2))
    keypoints[11:, :2] = np.random.default_rng(1).uniform((100, 240), (200, 330), (6, 2))
    return replace(sample, keypoints=keypoints)


def test_few_labelled_points_are_no_half():
    sample = standing()
    sample.keypoints[3:] = 0
    settings = replace(STILL, half_body=1.0)
    shown = pose_input(sample, COCO, SIZE, np.random.default_rng(0), settings)
    np.testing.assert_array_equal(shown.image, pose_input(sample, COCO, SIZE).image)


def test_shift_scale_and_rotation_stay_in_their_ranges():
    plain = pose_input(person(), COCO, SIZE)
    shown = [
        pose_input(person(), COCO, SIZE, np.random.default_rng(seed),
                   replace(MOVES, half_body=0, flip=0, shift_probability=1))
        for seed in range(200)
    ]  # fmt: skip
    scales = np.array([each.scale[0] / plain.scale[0] for each in shown])
    assert 0.5 <= scales.min() < 0.65 and 1.35 < scales.max() <= 1.5
    shifts = np.array([(each.centre - plain.centre) / plain.scale for each in shown])
    assert 0.12 < np.abs(shifts).max() <= 0.16001
    angles = np.array([turned_by(each) for each in shown])
    assert 60 < np.abs(angles).max() <= 80.1
    assert 0.3 < (np.abs(angles) < 0.1).mean() < 0.5


def turned_by(shown):
    """Degrees by which the line between two points was turned."""
    before = person().keypoints[10, :2] - person().keypoints[0, :2]
    after = shown.keypoints[10] - shown.keypoints[0]
    turn = np.arctan2(after[1], after[0]) - np.arctan2(before[1], before[0])
    return np.degrees((turn + np.pi) % (2 * np.pi) - np.pi)


def test_the_hole_is_black_and_of_its_size():
    bright = replace(person(), image=np.full((400, 300, 3), 200, np.uint8))
    settings = replace(STILL, hole_probability=1)
    for seed in range(10):
        shown = pose_input(bright, COCO, SIZE, np.random.default_rng(seed), settings)
        rows, columns = np.nonzero((shown.image == 0).all(-1))
        assert 0.19 < (np.ptp(rows) + 1) / 128 < 0.41
        assert 0.19 < (np.ptp(columns) + 1) / 96 < 0.41


@pytest.mark.parametrize("width", [1, 2])
def test_the_smallest_photos_make_inputs(width):
    image = np.full((1, width, 3), 90, np.uint8)
    keypoints = np.zeros((17, 3), np.float32)
    keypoints[0] = 0, 0, 2
    sample = PoseSample(image, np.array([0, 0, width, 1], np.float32), keypoints, 1, 1)
    for rng in (None, *map(np.random.default_rng, range(5))):
        shown = pose_input(sample, COCO, SIZE, rng)
        assert shown.image.shape == (128, 96, 3)
        assert np.isfinite(shown.keypoints).all()
