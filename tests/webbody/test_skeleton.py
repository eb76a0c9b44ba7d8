import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from webbody import skeleton

POINTS = arrays(
    np.float32,
    (2, skeleton.COUNT, 3),
    elements=st.floats(0, 100, width=32),
)


def test_flip_swaps_exactly_left_and_right():
    for slot, name in enumerate(skeleton.NAMES):
        mirrored = skeleton.NAMES[skeleton.FLIP[slot]]
        swap = {"left": "right", "right": "left"}
        side, _, rest = name.partition("_")
        assert mirrored == (f"{swap[side]}_{rest}" if side in swap else name)


@given(POINTS)
def test_flipping_twice_changes_nothing(points):
    points = skeleton.clean(points)
    np.testing.assert_allclose(skeleton.flip(skeleton.flip(points, 100), 100), points, atol=1e-4)


def test_coco17_and_wholebody133_agree_on_the_body():
    body = np.random.default_rng(0).uniform(1, 9, (17, 3)).astype(np.float32)
    whole = np.zeros((133, 3), np.float32)
    whole[:17] = body
    whole[71], whole[77] = (1, 2, 1), (3, 4, 1)  # the subject's right and left mouth corner
    a, b = skeleton.from_coco17(body), skeleton.from_wholebody133(whole)
    np.testing.assert_array_equal(a[[0, 1, 2, *range(5, 19)]], b[[0, 1, 2, *range(5, 19)]])
    assert (a[3:5] == 0).all()
    assert b[skeleton.NAMES.index("left_mouth")].tolist() == [3, 4, 1]
    assert b[skeleton.NAMES.index("right_mouth")].tolist() == [1, 2, 1]


def test_a_frontal_face_has_its_left_eye_on_the_image_right():
    # Aligners list the image-left eye first; the subject's left eye is on the image's right.
    marks = np.array([[10, 10], [20, 10], [15, 15], [11, 20], [19, 20]], np.float32)
    points = skeleton.with_face5(np.zeros((19, 3)), marks)
    left_eye, right_eye = points[1], points[2]
    assert left_eye.tolist() == [20, 10, 1]
    assert right_eye.tolist() == [10, 10, 1]
    assert points[3].tolist() == [19, 20, 1]  # left mouth corner
    assert points[0].tolist() == [15, 15, 1]
    assert (points[5:] == 0).all()


def test_authors22_swaps_the_sides_of_eyes_and_mouth():
    source = np.full((1, 22, 2), -1.0)
    source[0, 17], source[0, 18] = (0.3, 0.2), (0.6, 0.2)  # image-left eye, image-right eye
    source[0, 5] = (0.7, 0.5)  # COCO's left shoulder
    out = skeleton.from_authors22(source)
    assert out.shape == (1, 19, 3)
    np.testing.assert_allclose(out[0, 1], (0.6, 0.2, 1))
    np.testing.assert_allclose(out[0, 2], (0.3, 0.2, 1))
    np.testing.assert_allclose(out[0, 7], (0.7, 0.5, 1))
    assert out[0, :, 2].sum() == 3


def test_sapiens308_takes_wrists_and_mouth_from_their_own_slots():
    source = np.zeros((308, 3))
    source[62], source[41] = (1, 1, 1), (2, 2, 1)  # left and right wrist
    source[189], source[188] = (3, 3, 1), (4, 4, 1)  # left and right outer corner of the mouth
    out = skeleton.from_sapiens308(source)
    for name, x in (("left_wrist", 1), ("right_wrist", 2), ("left_mouth", 3), ("right_mouth", 4)):
        assert out[skeleton.NAMES.index(name), 0] == x


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_points_that_are_not_finite_are_absent(bad):
    points = np.ones((19, 3))
    points[4, 0] = bad
    out = skeleton.clean(points)
    assert out[4].tolist() == [0, 0, 0]
    assert out[:, 2].sum() == 18


def test_edges_join_known_points():
    assert {p for edge in skeleton.EDGES for p in edge} <= set(range(skeleton.COUNT))
