"""The synthetic web's pictures: deterministic, and truthful about what they show."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webbody import skeleton
from webbody.demo.drawing.canvas import PARTS_PER_FIGURE, Surface
from webbody.demo.drawing.clothes import Clothes
from webbody.demo.drawing.identity import Identity
from webbody.demo.drawing.scene import HIDDEN, OUTSIDE, VISIBLE, Photo, crowd, photo, portrait

SHOULDERS = [skeleton.NAMES.index(f"{side}_shoulder") for side in ("left", "right")]


def one(seed: int, **options) -> Photo:
    """A photo of one person whose whole body fits."""
    options = {"heads": (0.08, 0.11), "occluders": 0.0, **options}
    return photo(np.random.default_rng(seed), [Identity.sample(seed)], (320, 320), **options)


def owner(taken: Photo) -> np.ndarray:
    """For every pixel the index of the figure it shows, -1 for none."""
    return taken.labels.astype(int) // PARTS_PER_FIGURE - 1


def check(taken: Photo) -> None:
    """What must hold for every picture."""
    height, width = taken.image.shape[:2]
    assert taken.image.dtype == np.uint8 and taken.labels.shape == (height, width)
    shown = owner(taken)
    assert taken.surfaces.shape == (height, width)
    assert (taken.surfaces[shown >= 0] > 0).all()
    for index, figure in enumerate(taken.figures):
        mine = shown == index
        assert np.isfinite(figure.keypoints).all() and figure.keypoints.shape == (19, 3)
        x1, y1, x2, y2 = figure.box
        assert 0 <= x1 <= x2 <= width and 0 <= y1 <= y2 <= height
        assert 0 <= figure.visible <= 1
        if figure.visible_box is None:
            assert not mine.any() and figure.visible == 0
        else:
            rows, columns = np.nonzero(mine)
            tight = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            np.testing.assert_array_equal(figure.visible_box, tight)
            assert (figure.visible_box[:2] >= figure.box[:2]).all()
            assert (figure.visible_box[2:] <= figure.box[2:]).all()
        for x, y, flag in figure.keypoints:
            column, row = round(x), round(y)
            inside = 0 <= column < width and 0 <= row < height
            assert flag in ((VISIBLE, HIDDEN) if inside else (OUTSIDE,))
            if flag == VISIBLE:
                assert mine[row, column]
        if figure.face is not None:
            assert 0 <= figure.face.visible <= 1
            assert (figure.face.landmarks >= figure.face.box[:2]).all()
            assert (figure.face.landmarks <= figure.face.box[2:]).all()
            np.testing.assert_array_equal(
                figure.face.landmarks, figure.keypoints[skeleton.FACE5, :2]
            )


def test_same_seed_same_bytes():
    identities = [Identity.sample(1), Identity.sample(2)]
    first, second = (photo(np.random.default_rng(5), identities) for _ in range(2))
    assert first.image.tobytes() == second.image.tobytes()
    for a, b in zip(first.figures, second.figures, strict=True):
        np.testing.assert_array_equal(a.keypoints, b.keypoints)
    assert photo(np.random.default_rng(6), identities).image.tobytes() != first.image.tobytes()
    assert Identity.sample(3) == Identity.sample(3) != Identity.sample(4)


@settings(max_examples=25)
@given(
    width=st.integers(32, 400),
    height=st.integers(32, 400),
    count=st.integers(0, 4),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_size_is_annotated_coherently(width, height, count, seed):
    identities = [Identity.sample(seed + index) for index in range(count)]
    taken = photo(np.random.default_rng(seed), identities, (width, height), heads=(0.03, 0.9))
    assert taken.image.shape == (height, width, 3)
    assert sorted(f.identity for f in taken.figures) == sorted(i.seed for i in identities)
    check(taken)


def test_keypoints_lie_on_the_drawn_person():
    """With nobody else and nothing in front, every point in the image is on the person."""
    on, inside = 0, 0
    for seed in range(40):
        taken = one(seed)
        figure = taken.figures[0]
        grown = cv2.dilate((owner(taken) == 0).astype(np.uint8), np.ones((3, 3), np.uint8))
        for x, y, flag in figure.keypoints:
            if flag != OUTSIDE:
                inside += 1
                on += int(grown[round(y), round(x)])
    assert inside > 600
    assert on / inside > 0.985  # an ear behind a turned head may stick out of nothing


def test_surfaces_are_those_of_the_person():
    """Hands at the wrists of their side, shoes at the ankles, lips below the nose."""
    pairs = {"WRIST": "HAND", "ANKLE": "SHOE"}
    near, lips = [], 0
    for seed in range(30):
        taken = one(seed, frontal=1.0)
        points, head = taken.figures[0].keypoints, taken.figures[0].head
        places = {surface: np.argwhere(taken.surfaces == surface) for surface in Surface}
        for joint, name in pairs.items():
            for side in ("LEFT", "RIGHT"):
                x, y, flag = points[skeleton.NAMES.index(f"{side}_{joint}".lower())]
                found = places[Surface[f"{side}_{name}"]]
                if flag == VISIBLE and len(found):
                    near.append(np.linalg.norm(found - (y, x), axis=1).min() < 0.3 * head)
        mouth = places[Surface.LOWER_LIP]
        lips += len(mouth) > 0
        assert (mouth[:, 0] > points[0, 1] - 1).all()
        # Next to no skin shows where nobody is.
        assert ((taken.surfaces > 0) & (owner(taken) < 0)).mean() < 0.002
    assert len(near) > 60
    assert np.mean(near) > 0.95
    assert lips > 20


def test_sleeves_and_trousers_cover_limbs():
    bare = Clothes.sample(np.random.default_rng(0))
    for sleeves, trousers in ((0.0, 0.4), (0.5, 1.0), (1.0, 1.0)):
        clothes = replace(bare, sleeves=sleeves, trousers=trousers, skirt=False)
        shown = set(np.unique(one(4, clothes=[clothes]).surfaces).tolist())
        assert (Surface.LEFT_UPPER_ARM in shown) == (sleeves == 0)
        assert (Surface.LEFT_LOWER_ARM in shown) == (sleeves < 1)
        assert (Surface.LEFT_LOWER_LEG in shown) == (trousers < 1)
        assert {Surface.UPPER_CLOTHING, Surface.LOWER_CLOTHING} <= shown


def test_left_is_the_subjects_left():
    for seed in range(30):
        facing = one(seed, frontal=1.0).figures[0]
        marks = facing.face.landmarks
        assert marks[0, 0] < marks[1, 0] and marks[3, 0] < marks[4, 0]
        assert marks[:2, 1].max() < marks[3:, 1].min()
        assert facing.keypoints[1, 0] > facing.keypoints[2, 0]
        assert facing.keypoints[SHOULDERS[0], 0] > facing.keypoints[SHOULDERS[1], 0]
        away = one(seed, frontal=0.0).figures[0]
        assert away.face is None
        assert away.keypoints[SHOULDERS[0], 0] < away.keypoints[SHOULDERS[1], 0]


def test_a_head_turned_away_hides_its_face():
    for seed in range(20):
        assert (one(seed, frontal=0.0).figures[0].keypoints[:5, 2] <= HIDDEN).all()
    flags = np.stack([one(seed, frontal=1.0).figures[0].keypoints[:, 2] for seed in range(60)])
    assert (flags[:, 0] == VISIBLE).mean() > 0.95
    assert (flags[:, 1:5] == VISIBLE).mean() > 0.8


def test_the_far_ear_is_hidden():
    far = []
    for seed in range(150):
        figure = one(seed, frontal=1.0).figures[0]
        if abs(figure.yaw) > 0.6:
            # Turned to the image's right, the subject's left ear is the far one.
            far.append(figure.keypoints[5 if figure.yaw > 0 else 6, 2])
    assert len(far) > 5
    assert max(far) <= HIDDEN


def test_someone_in_front_hides_someone_behind():
    hidden = 0
    for seed in range(12):
        people = [Identity.sample(seed), Identity.sample(seed + 100)]
        options = {"heads": (0.25, 0.5), "occluders": 0.0}
        taken = photo(np.random.default_rng(seed), people, (200, 200), **options)
        back, front = taken.figures
        assert back.head <= front.head
        shown = owner(taken)
        for x, y, flag in back.keypoints:
            if flag != OUTSIDE and shown[round(y), round(x)] == 1:
                assert flag == HIDDEN
                hidden += 1
    assert hidden > 10


def test_default_crowds_keep_their_promises():
    counts = []
    for seed in range(60):
        taken = crowd(np.random.default_rng(seed), size=(320, 320))
        check(taken)
        counts.append(len(taken.figures))
        for figure in taken.figures:
            assert figure.visible >= 0.25
            if figure.face is not None:
                x1, y1, x2, y2 = figure.face.box
                assert max(x2 - x1, y2 - y1) >= 20
    assert set(counts) == {1, 2, 3}


def test_stress_crowds_are_coherent():
    seeds = range(100, 125)
    photos = [crowd(np.random.default_rng(seed), "stress", (256, 256)) for seed in seeds]
    for taken in photos:
        check(taken)
    assert min(len(taken.figures) for taken in photos) == 0
    assert any(figure.visible < 0.1 for taken in photos for figure in taken.figures)


def test_crowds_draw_from_the_given_people():
    people = [Identity.sample(seed) for seed in (7, 8)]
    for seed in range(5):
        taken = crowd(np.random.default_rng(seed), size=(256, 256), identities=people)
        seen = [figure.identity for figure in taken.figures]
        assert set(seen) <= {7, 8} and len(set(seen)) == len(seen)


def test_unknown_world_is_refused():
    with pytest.raises(ValueError, match="'default' or 'stress'"):
        crowd(np.random.default_rng(0), "easy")


def aligned(taken: Photo) -> np.ndarray:
    """Contrast-normalised aligned face (28, 28, 3)."""
    where = np.array([[38.3, 51.7], [73.5, 51.5], [56, 71.7], [41.5, 92.4], [70.7, 92.2]]) / 4
    marks = taken.figures[0].face.landmarks
    x, y = marks[:, 0], marks[:, 1]
    one, zero = np.ones(5), np.zeros(5)
    system = np.concatenate([np.stack([x, -y, one, zero], 1), np.stack([y, x, zero, one], 1)])
    a, b, u, v = np.linalg.lstsq(system, where.T.ravel(), rcond=None)[0]
    face = cv2.warpAffine(taken.image, np.array([[a, -b, u], [b, a, v]]), (28, 28)).astype(float)
    return (face - face.mean((0, 1))) / (face.std() + 1e-6)


def test_a_face_resembles_itself_most():
    """Even without learning, two pictures of one person are closer than those of two."""
    people = [Identity.sample(seed) for seed in range(24)]
    rng = np.random.default_rng(0)
    faces = np.stack(
        [[aligned(portrait(rng, person)).ravel() for _ in range(3)] for person in people]
    )
    distances = np.linalg.norm(faces[:, None, :, None] - faces[None, :, None, :], axis=-1)
    same = distances[np.arange(24), np.arange(24)][:, ~np.eye(3, dtype=bool)].mean()
    different = distances[~np.eye(24, dtype=bool)].mean()
    assert same < 0.9 * different


def test_clothes_can_be_kept():
    clothes = Clothes.sample(np.random.default_rng(1))
    taken = photo(np.random.default_rng(2), [Identity.sample(2)], (200, 200), clothes=[clothes])
    other = photo(np.random.default_rng(2), [Identity.sample(2)], (200, 200))
    assert (taken.image != other.image).any()
