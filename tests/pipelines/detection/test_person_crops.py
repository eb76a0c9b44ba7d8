"""The person of a photo, with the demo's models on drawn people."""

import numpy as np
import pyarrow as pa
import pytest
from made_stages import with_settings
from photo_shards import Given, commit, download_shard, photos, rgb, rows
from simcc_files import random_simcc

from pipelines.detection.person_crops import SubjectFinder
from pipelines.stages.keypoints import Keypoints
from pipelines.stages.persons import Persons
from webbody.cli.people import demo_models
from webbody.config import load
from webbody.images import decode, encode_jpeg, letterbox


def config(*overrides: str):
    return load(None, ("resources.device=cpu", *overrides), base=demo_models())


@pytest.fixture(scope="module")
def finder():
    return SubjectFinder(config())


def test_the_largest_person_of_each_photo_with_keypoints_where_they_were_drawn(finder):
    pictures = photos(8)
    subjects = finder([rgb(photo) for photo in pictures])
    near, found = [], 0
    for photo, subject in zip(pictures, subjects, strict=True):
        assert subject.image.shape == (384, 384, 3) and subject.image.dtype == np.uint8
        assert subject.keypoints.shape == (19, 3) and subject.keypoints.dtype == np.float32
        seen = subject.keypoints[:, 2] == 1
        assert set(subject.keypoints[~seen].ravel()) <= {0.0}
        assert ((subject.keypoints[seen] >= 0) & (subject.keypoints[seen] <= 1)).all()
        if subject.box is None:
            continue
        figure = max(photo.figures, key=lambda f: overlap(f.box, subject.box))
        if overlap(figure.box, subject.box) < 0.5:
            continue
        found += 1
        # Back into the photo: the letterbox keeps the centre of the crop in the middle.
        truth = figure.keypoints
        both = seen & (truth[:, 2] == 2)
        spread = np.ptp(truth[both, :2], axis=0).max()
        scale = np.ptp(subject.keypoints[both, :2], axis=0).max() / spread
        moved = subject.keypoints[both, :2] - subject.keypoints[both, :2].mean(0)
        away = moved / scale - (truth[both, :2] - truth[both, :2].mean(0))
        near += list(np.linalg.norm(away, axis=1) < 0.15 * spread)
    assert found >= 6
    assert np.mean(near) > 0.6


def of_the_largest(photo) -> np.ndarray:
    """The part of a photo that shows its largest figure."""
    boxes = [figure.box for figure in photo.figures]
    x0, y0, x1, y1 = max(boxes, key=lambda box: np.prod(box[2:] - box[:2])).astype(int)
    return np.ascontiguousarray(rgb(photo)[y0:y1, x0:x1])


def overlap(a, b) -> float:
    """Intersection over union of two boxes."""
    sides = np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None)
    areas = [(box[2:] - box[:2]).prod() for box in (np.asarray(a), np.asarray(b))]
    return float(sides.prod() / (sum(areas) - sides.prod()))


def test_photos_give_what_the_stages_of_a_build_give(tmp_path, finder):
    """Box and keypoints of the largest crop; the crops of a build went through JPEG."""
    files = {str(i): encode_jpeg(rgb(photo), 95) for i, photo in enumerate(photos(6))}
    download_shard(tmp_path, files)
    commit(tmp_path, with_settings(Persons, **config().persons.model_dump(), device="cpu"))
    crops = [row for row in rows(tmp_path, "persons") if row["outcome"] is None]
    names = [row["crop"] for row in crops]
    none = pa.array([None] * len(crops), pa.string())
    faces = {"crop": names, "landmarks": none, "score": none}
    commit(tmp_path, Given("faces", pa.table(faces)))
    identities = {"crop": names, "person": list(range(len(names))), "outcome": none}
    commit(tmp_path, Given("identities", pa.table(identities)))
    commit(tmp_path, with_settings(Keypoints, **config().keypoints.model_dump(), device="cpu"))
    built = {row["crop"]: row["keypoints"] for row in rows(tmp_path, "keypoints")}

    subjects = dict(zip(files, finder([decode(data) for data in files.values()]), strict=True))
    compared = 0
    for row in crops:
        if row["index"] > 0:
            continue
        subject = subjects[row["key"]]
        np.testing.assert_allclose(subject.box, row["box"], atol=0.01)
        points = np.reshape(built[row["crop"]], (19, 3))
        blank = np.zeros((row["height"], row["width"], 3), np.uint8)
        _, scale, left, top = letterbox(blank, 384)
        expected = (points[:, :2] * scale + (left, top)) / 384
        both = (points[:, 2] == 1) & (subject.keypoints[:, 2] == 1)
        assert both.sum() >= points[:, 2].sum() - 2
        away = np.abs(expected - subject.keypoints[:, :2])[both].max(1)
        assert np.mean(away < 0.01) > 0.8
        compared += 1
    assert compared >= 5


def test_a_photo_without_a_person_is_the_subject_itself(finder):
    wall = np.full((200, 300, 3), 90, np.uint8)
    subject = finder([wall])[0]
    assert subject.box is None
    np.testing.assert_array_equal(subject.image, letterbox(wall, 384)[0])


def test_whole_pictures_are_crops_already():
    finder = SubjectFinder(config(), whole=True, size=96)
    crop = rgb(photos(1)[0])
    subject = finder([crop])[0]
    np.testing.assert_array_equal(subject.box, [0, 0, crop.shape[1], crop.shape[0]])
    np.testing.assert_array_equal(subject.image, letterbox(crop, 96)[0])


@pytest.mark.parametrize("size", [96, 97])
def test_the_mirrored_crop_is_looked_at_too(size):
    """As if it were a picture of its own; its margins are those of the mirrored square."""
    finder = SubjectFinder(config(), whole=True, size=size, mirrored=True)
    for photo in photos(3):
        crop = of_the_largest(photo)
        (subject,), (turned,) = finder([crop]), finder([crop[:, ::-1].copy()])
        # An odd margin is one pixel wider on the right, in either of them.
        width = round(crop.shape[1] * size / max(crop.shape[:2]))
        moved = (size - width) % 2 / size
        seen = turned.keypoints[:, 2] > 0
        np.testing.assert_array_equal(subject.mirrored[:, 2] > 0, seen)
        away = np.abs(subject.mirrored - turned.keypoints)[seen]
        assert away[:, 0] == pytest.approx(moved, abs=1e-5)
        assert away[:, 1] == pytest.approx(0, abs=1e-5)
        assert seen.sum() > 3


def test_a_body_model_gets_the_mouth_from_the_face(tmp_path):
    model = random_simcc(tmp_path / "body.onnx", 17)
    finder = SubjectFinder(config(f"keypoints.model={model}", "keypoints.min_score=0"), whole=True)
    subjects = finder([rgb(photo) for photo in photos(4)])
    mouths = np.stack([subject.keypoints[3:5, 2] for subject in subjects])
    assert mouths.any() and (mouths[:, 0] == mouths[:, 1]).all()


def test_nothing_to_find(finder):
    assert finder([]) == []
