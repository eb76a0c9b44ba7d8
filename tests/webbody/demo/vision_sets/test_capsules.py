"""The ray caster against geometry that is known in closed form, and against its own depth."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from webbody.demo.vision_sets.capsule_body import capsule_person
from webbody.demo.vision_sets.capsules import (
    TO_STORED,
    Capsules,
    PinholeCamera,
    look,
    nearest_on_segments,
)
from webbody.demo.vision_sets.surface_pictures import surface_picture

CAMERA = PinholeCamera((81, 61), 70.0)


def capsules(*rows):
    starts, ends, radii = zip(*rows, strict=True)
    return Capsules(np.array(starts, float), np.array(ends, float), np.array(radii, float))


def points(sight, camera=CAMERA):
    return (camera.rays() * np.where(sight.mask, sight.depth, 0)[..., None])[sight.mask]


def test_a_sphere_on_the_axis():
    sight = look(capsules(((0, 0, 5), (0, 0, 5), 1)), CAMERA)
    assert sight.depth[30, 40] == pytest.approx(4, abs=1e-12)
    np.testing.assert_allclose(sight.normals[30, 40], [0, 0, 1], atol=1e-12)
    # Its outline is the cone of half angle asin(r / d): tan is r / sqrt(d² - r²).
    radius = 70 / np.sqrt(24)
    rows, columns = np.nonzero(sight.mask)
    distance = np.hypot(rows - 30, columns - 40)
    assert distance.max() <= radius < distance.max() + 1
    assert sight.mask.sum() == pytest.approx(np.pi * radius**2, rel=0.02)
    # Every point lies on the sphere, and its normal points away from the middle.
    away = points(sight) - (0, 0, 5)
    np.testing.assert_allclose(np.linalg.norm(away, axis=1), 1, atol=1e-9)
    np.testing.assert_allclose(sight.normals[sight.mask], away * TO_STORED, atol=1e-9)


def test_axes_are_right_up_and_to_the_viewer():
    sight = look(capsules(((0, 0, 5), (0, 0, 5), 1)), CAMERA)
    right, upper = sight.normals[30, 50], sight.normals[20, 40]
    assert right[0] > 0.5 and right[1] == pytest.approx(0, abs=1e-12)
    assert upper[1] > 0.5 and upper[0] == pytest.approx(0, abs=1e-12)
    assert (sight.normals[sight.mask][:, 2] > 0).all()


def test_a_tube_across_the_view():
    sight = look(capsules(((-9, 0, 4), (9, 0, 4), 0.5)), CAMERA)
    np.testing.assert_allclose(sight.depth[30], 3.5, atol=1e-12)
    np.testing.assert_allclose(sight.normals[sight.mask][:, 0], 0, atol=1e-12)


def test_the_ends_are_round():
    """A capsule along the line of sight looks like its nearer ball."""
    long, ball = (
        look(capsules(((0, 0, 3), (0, 0, z), 0.5)), CAMERA) for z in (9, 3)
    )  # narrower with distance, so that the tube hides behind the ball
    np.testing.assert_allclose(long.depth, ball.depth, atol=1e-12)
    across = look(capsules(((-0.5, 0.2, 4), (0.6, -0.1, 4.5), 0.3)), CAMERA)
    end = look(capsules(((-0.5, 0.2, 4), (-0.5, 0.2, 4), 0.3)), CAMERA)
    is_left = CAMERA.rays()[..., 0] * 4 < -0.62
    assert end.mask[is_left].any()
    np.testing.assert_allclose(across.depth[is_left], end.depth[is_left], atol=1e-12)


values = st.floats(-1.5, 1.5)


@given(
    st.tuples(values, values, st.floats(3, 6)),
    st.tuples(values, values, st.floats(3, 6)),
    st.floats(0.05, 0.8),
)
def test_every_point_is_at_the_radius_and_nothing_is_nearer(start, end, radius):
    shape = capsules((start, end, radius))
    sight = look(shape, CAMERA)
    seen = points(sight)
    nearest = nearest_on_segments(
        seen, *(np.tile(side, (len(seen), 1)) for side in (shape.starts, shape.ends))
    )
    np.testing.assert_allclose(np.linalg.norm(seen - nearest, axis=1), radius, atol=1e-7)
    np.testing.assert_allclose(
        sight.normals[sight.mask], (seen - nearest) / radius * TO_STORED, atol=1e-6
    )
    # The way to each point, and all of every other ray, is outside.
    for share in (0.5, 0.9, 0.99):
        before = seen * share
        off = before - nearest_on_segments(
            before, *(np.tile(side, (len(seen), 1)) for side in (shape.starts, shape.ends))
        )
        assert (np.linalg.norm(off, axis=1) > radius - 1e-9).all()
    missing = CAMERA.rays()[~sight.mask]
    for depth in np.linspace(2, 7, 26):
        at = missing * depth
        off = at - nearest_on_segments(
            at, *(np.tile(side, (len(at), 1)) for side in (shape.starts, shape.ends))
        )
        assert (np.linalg.norm(off, axis=1) > radius - 1e-9).all()


def test_a_mirrored_body_is_a_mirrored_picture():
    rng = np.random.default_rng(3)
    body = Capsules(
        rng.uniform((-1, -1, 3), (1, 1, 5), (9, 3)),
        rng.uniform((-1, -1, 3), (1, 1, 5), (9, 3)),
        rng.uniform(0.05, 0.4, 9),
    )
    sight, other = look(body, CAMERA), look(body.mirrored(), CAMERA)
    np.testing.assert_allclose(other.depth, sight.depth[:, ::-1], rtol=1e-12)
    np.testing.assert_array_equal(other.capsule, sight.capsule[:, ::-1])
    np.testing.assert_allclose(other.normals, sight.normals[:, ::-1] * (-1, 1, 1), atol=1e-9)


def test_the_nearest_of_several_shows():
    near, far = ((0, 0, 3), (0, 0, 3), 0.3), ((-1, 0, 5), (1, 0, 5), 0.8)
    sight = look(capsules(far, near), CAMERA)
    alone = [look(capsules(row), CAMERA) for row in (far, near)]
    np.testing.assert_array_equal(sight.depth, np.minimum(alone[0].depth, alone[1].depth))
    assert set(np.unique(sight.capsule)) == {-1, 0, 1}


def test_what_lies_behind_the_camera_does_not_show():
    sight = look(capsules(((0, 0, -3), (0, 0, -3), 0.5)), CAMERA)
    assert not sight.mask.any()
    assert np.isinf(sight.depth).all()
    assert (sight.normals == 0).all()


@pytest.mark.parametrize("seed", range(4))
def test_normals_are_those_of_the_surface_that_depth_describes(seed):
    """Cross products of neighbouring points, where one capsule shows alone."""
    size = (150, 200)
    sight = surface_picture(np.random.default_rng(seed), size).sight
    depth = np.where(sight.mask, sight.depth, 0)
    camera_free = _surface_normals(depth, sight)
    inner = _all_of_one(sight.capsule)
    facing = inner & (sight.normals[..., 2] > 0.5)
    assert facing.sum() > 300
    cosine = (camera_free[facing] * sight.normals[facing]).sum(-1)
    assert np.median(cosine) > 0.999


def _surface_normals(depth, sight):
    """Normals (H, W, 3) up to the unknown focal length, which is found by least squares."""
    best, found = -1.0, None
    height, width = depth.shape
    for focal in np.geomspace(100, 4000, 60):
        where = PinholeCamera((width, height), focal).rays() * depth[..., None]
        across = np.roll(where, -1, 1) - np.roll(where, 1, 1)
        down = np.roll(where, -1, 0) - np.roll(where, 1, 0)
        normals = np.cross(down, across) * TO_STORED
        normals /= np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-12)
        inner = _all_of_one(sight.capsule)
        score = float(np.mean((normals[inner] * sight.normals[inner]).sum(-1)))
        if score > best:
            best, found = score, normals
    return found


def _all_of_one(capsule):
    """Pixels all of whose neighbours show the same capsule."""
    same = capsule >= 0
    for axis in (0, 1):
        for step in (-1, 1):
            same &= np.roll(capsule, step, axis) == capsule
    same[[0, -1]] = False
    same[:, [0, -1]] = False
    return same


def test_people_are_whole_and_varied():
    people = [capsule_person(np.random.default_rng(seed)) for seed in range(10)]
    for person in people:
        assert (person.capsules.radii > 0).all()
        assert len(person.colours) == len(person.is_patterned) == len(person.capsules.radii)
        assert 5 < person.feet < 8
    wrists = np.array([person.capsules.ends[-1] for person in people])
    assert wrists.std(0).max() > 0.1


def test_pictures_show_much_and_little_of_a_person():
    shares = np.array(
        [
            surface_picture(np.random.default_rng(seed), (48, 64)).sight.mask.mean()
            for seed in range(30)
        ]
    )
    assert (shares > 0).all()
    assert shares.min() < 0.15 and shares.max() > 0.4
