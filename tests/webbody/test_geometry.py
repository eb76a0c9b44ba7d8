"""Boxes, keypoints in their frames, and transforms of pictures, against truth."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from webbody.geometry import on_letterbox, on_square, overlaps, padded, similarities, transformed
from webbody.images import letterbox

SIDES = st.integers(1, 900)


def boxes(rng, count):
    corners = rng.uniform(0, 100, (count, 2))
    return np.concatenate([corners, corners + rng.uniform(1, 60, (count, 2))], 1)


def test_the_overlaps_of_torchvision():
    torch = pytest.importorskip("torch")
    from torchvision.ops import box_iou

    rng = np.random.default_rng(0)
    a, b = boxes(rng, 40), boxes(rng, 30)
    wanted = box_iou(torch.from_numpy(a), torch.from_numpy(b)).numpy()
    np.testing.assert_allclose(overlaps(a, b), wanted, atol=1e-9)
    assert overlaps(a[:0], b).shape == (0, 30)


@given(st.integers(0, 10_000), SIDES, SIDES, st.floats(0, 1))
def test_a_padded_box_holds_the_box_and_stays_inside(seed, width, height, padding):
    low, high = np.sort(np.random.default_rng(seed).uniform(0, [width, height], (2, 2)), 0)
    left, top, right, bottom = padded(np.array([*low, *high]), padding, width, height)
    assert 0 <= left <= low[0] and 0 <= top <= low[1]
    assert high[0] <= right <= width and high[1] <= bottom <= height


@given(st.integers(0, 10_000))
def test_a_similarity_is_found_again(seed):
    rng = np.random.default_rng(seed)
    target = rng.normal(size=(5, 2))
    angle, scale, shift = rng.uniform(-3, 3), rng.uniform(0.1, 9), rng.normal(size=2)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    source = (target @ (scale * turn).T + shift)[None]
    np.testing.assert_allclose(transformed(source, similarities(source, target))[0], target)


@given(st.integers(40, 400), st.integers(40, 400))
def test_a_point_keeps_its_place_in_the_picture(width, height):
    """The middle of a bright block is where letterbox draws it, in all frames."""
    picture = np.zeros((height, width, 3), np.uint8)
    block = (slice(height // 2, None), slice(width // 2, None))
    picture[block] = 255
    points = np.array([[width / 2 + width / 4, height / 2 + height / 4, 1]], np.float32)
    square, scale, left, top = letterbox(picture, 384)
    (x, y, seen) = on_letterbox(points, scale, left, top)[0]
    assert seen == 1 and square[int(min(y, 383)), int(min(x, 383))].min() > 128
    fractions = on_letterbox(points, scale, left, top, 384)
    np.testing.assert_allclose(fractions[0, :2], [x / 384, y / 384], atol=1e-6)
    # The margins of a square are whole pixels, those of the white square are not.
    np.testing.assert_allclose(on_square(points, width, height), fractions, atol=1.01 / 384)


def test_nothing_but_numpy_is_needed():
    code = (
        "import sys\n"
        "for name in ('torch', 'PIL', 'cv2', 'scipy'): sys.modules[name] = None\n"
        "import webbody.geometry\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
