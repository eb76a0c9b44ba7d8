"""Pictures of predictions: what is known keeps its place, what is not is grey."""

import numpy as np
import pytest

from model.sapiens.vocabulary import keypoint_vocabulary, part_vocabulary
from model.visualization.colours import GREY, LEFT, RIGHT, class_colour
from model.visualization.predictions import (
    depth_picture,
    normals_picture,
    parts_picture,
    poses_picture,
)

PHOTO = np.full((120, 160, 3), 90, np.uint8)


@pytest.mark.parametrize("count", [17, 133, 308])
def test_sure_points_are_drawn_where_they_are(count):
    vocabulary = keypoint_vocabulary(count)
    pose = np.full((1, count, 3), (20, 20, 0.1), np.float32)
    for name, place in (("left_knee", (100, 40)), ("right_knee", (60, 80))):
        pose[0, vocabulary.names.index(name)] = (*place, 0.9)
    box = np.array([[10, 10, 150, 110]], np.float32)
    picture = np.asarray(poses_picture(PHOTO, pose, box, vocabulary, 0.3))
    assert picture.shape == PHOTO.shape
    np.testing.assert_allclose(picture[40, 100], LEFT, atol=30)
    np.testing.assert_allclose(picture[80, 60], RIGHT, atol=30)
    assert (picture[20, 20] == 90).all()  # points that are not sure
    assert (picture[10, 50] == 255).all()  # the box


def test_nobody_is_no_error():
    picture = poses_picture(
        PHOTO, np.zeros((0, 308, 3), np.float32), np.zeros((0, 4), np.float32),
        keypoint_vocabulary(308), 0.3,
    )  # fmt: skip
    np.testing.assert_array_equal(np.asarray(picture), PHOTO)


def test_parts_are_tinted_and_named():
    label = np.zeros(PHOTO.shape[:2], np.uint8)
    label[30:60, 40:80] = 22
    picture = np.asarray(parts_picture(PHOTO, label, part_vocabulary(28)))
    assert picture.shape[1] > PHOTO.shape[1]  # the legend
    expected = 0.4 * 90 + 0.6 * np.array(class_colour(22))
    np.testing.assert_allclose(picture[45, 60], expected, atol=1)
    assert (picture[10, 10] == 90).all()
    plain = np.asarray(parts_picture(PHOTO, label * 0, part_vocabulary(28)))
    np.testing.assert_array_equal(plain, PHOTO)


def test_classes_have_colours_of_their_own():
    colours = np.array([class_colour(number) for number in range(28)], float)
    distance = np.linalg.norm(colours[:, None] - colours, axis=-1) + 1e3 * np.eye(28)
    assert distance.min() > 20


def test_near_is_red_and_far_is_blue_whatever_the_scale():
    depth = np.linspace(-5, 90, 120 * 160, dtype=np.float32).reshape(120, 160)
    picture = np.asarray(depth_picture(depth)).astype(int)
    assert picture[0, 0, 0] > picture[0, 0, 2] and picture[-1, -1, 2] > picture[-1, -1, 0]
    np.testing.assert_array_equal(np.asarray(depth_picture(depth * 3 + 7)), picture)
    depth[:60] = np.nan
    assert (np.asarray(depth_picture(depth))[:60] == GREY).all()
    for empty in (np.full((20, 30), np.nan, np.float32), np.full((20, 30), 2, np.float32)):
        assert np.asarray(depth_picture(empty)).shape == (20, 30, 3)
    assert (np.asarray(depth_picture(depth * np.nan)) == GREY).all()


def test_directions_are_colours():
    normals = np.zeros((10, 20, 3), np.float32)
    normals[..., 2] = 1
    normals[5:, :, :] = (-1, 0, 0)
    normals[:, 10:] = np.nan
    picture = np.asarray(normals_picture(normals))
    np.testing.assert_allclose(picture[0, 0], (127.5, 127.5, 255), atol=1)
    np.testing.assert_allclose(picture[9, 0], (0, 127.5, 127.5), atol=1)
    assert (picture[:, 10:] == GREY).all()


def test_large_photos_give_pictures_of_a_screen():
    large = np.zeros((30, 4000, 3), np.uint8)
    assert max(parts_picture(large, large[..., 0], part_vocabulary(20)).size) == 1280
