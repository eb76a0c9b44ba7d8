"""Yaw and pitch from landmarks, against the true pose of drawn heads."""

import numpy as np
import pytest

from pipelines.quality.head_pose import HEAD, yaw_and_pitch
from webbody.demo.drawing.face import Expression, FacePainter
from webbody.demo.drawing.identity import Identity
from webbody.demo.drawing.skull import Skull


def drawn(seed, yaw, pitch=0.0, roll=0.0):
    """The true landmarks of somebody's head, those on the image's left first."""
    person, rng = Identity.sample(seed), np.random.default_rng(seed)
    skull = Skull(person, np.array([300.0, 200.0]), 200, yaw, pitch, roll)
    face = FacePainter(None, skull, Expression.sample(rng))
    gap, width = person.eye_gap, face.mouth_width
    x = np.array([-gap, gap, 0.0, -width, width])
    y = np.array([person.eye_y, person.eye_y, face.tip_y - 0.05, face.corner_y, face.corner_y])
    bump = np.array([0, 0, person.nose_tip, 0, 0])
    return skull.project(skull.on_face(x, y, bump))


def test_yaw_is_that_of_drawn_heads():
    rng = np.random.default_rng(0)
    yaw, roll = rng.uniform(-1.2, 1.2, 300), rng.normal(0, 0.2, 300)
    pitch = np.clip(rng.normal(0, 0.13, 300), -0.35, 0.35)
    poses = enumerate(zip(yaw, pitch, roll, strict=True))
    found = np.array([yaw_and_pitch(drawn(seed, *pose)) for seed, pose in poses])
    off = np.abs(found[:, 0] - np.degrees(yaw))
    assert off.mean() < 3
    assert np.percentile(off, 95) < 8
    assert np.corrcoef(found[:, 1], np.degrees(pitch))[0, 1] > 0.7
    assert abs(np.median(found[:, 1])) < 5


def test_the_mean_head_has_the_pose_that_it_was_given():
    for yaw in (-60, -20, 0, 35):
        for pitch in (-25, 0, 15):
            a, b = np.radians([yaw, pitch])
            turn = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
            nod = np.array([[1, 0, 0], [0, np.cos(b), np.sin(b)], [0, -np.sin(b), np.cos(b)]])
            seen = (HEAD @ (nod @ turn).T)[:, :2] * 37 + [100, 50]
            assert yaw_and_pitch(seen) == pytest.approx((yaw, pitch), abs=1e-6)
            c, s = np.cos(0.5), np.sin(0.5)
            rolled = seen @ np.array([[c, s], [-s, c]])
            assert yaw_and_pitch(rolled) == pytest.approx((yaw, pitch), abs=1e-6)


@pytest.mark.parametrize(
    "points", [np.zeros((5, 2)), np.full((5, 2), np.nan), np.outer(np.arange(5), [1.0, 2.0])]
)
def test_points_that_span_no_face_have_no_pose(points):
    assert yaw_and_pitch(points) is None
