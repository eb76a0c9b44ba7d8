"""The written sets, read by the readers that training uses."""

import hashlib

import numpy as np
import pytest

from model.sapiens.data import DepthData, NormalData, PartData, PoseData, read_keypoint_file
from model.sapiens.training.pictures import read_pictures
from model.sapiens.vocabulary import keypoint_vocabulary, part_vocabulary
from webbody.demo.vision_sets import write_vision_sets
from webbody.demo.vision_sets.pictures import write_pictures
from webbody.errors import WebbodyError

IMAGES = 8
COCO = keypoint_vocabulary(17)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("vision") / "sets"
    write_vision_sets(out, IMAGES, seed=3)
    return out


def digest(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_same_seed_gives_the_same_bytes_and_more_pictures_keep_the_first(folder, tmp_path):
    write_vision_sets(tmp_path / "few", 2, seed=3)
    first, few = digest(folder), digest(tmp_path / "few")
    few.pop("pose/people.json")
    assert few == {name: first[name] for name in few}
    write_vision_sets(tmp_path / "other", 2, seed=4)
    other = digest(tmp_path / "other")
    assert not {name for name in few if other[name] == few[name]}


def test_people_have_their_keypoints(folder):
    people = PoseData(folder / "pose" / "people.json", folder / "pose" / "images", COCO)
    file = read_keypoint_file(folder / "pose" / "people.json", COCO)
    assert len(file.pictures) == IMAGES
    assert len(people) >= IMAGES - 1
    per_picture = np.bincount([pose.image for pose in file.truth])
    assert per_picture.max() > 1
    for at in range(len(people)):
        sample = people[at]
        seen = sample.keypoints[sample.keypoints[:, 2] > 0]
        height, width = sample.image.shape[:2]
        assert (seen[:, :2] > -1).all() and (seen[:, :2] < (width, height)).all()
        grown = np.array([-0.15, -0.15, 0.15, 0.15]) * np.tile(
            sample.box[2:] - sample.box[:2], 2
        ) + np.array(sample.box)
        inside = (seen[:, :2] >= grown[:2]) & (seen[:, :2] <= grown[2:])
        assert inside.all(-1).mean() > 0.9


def test_parts_are_where_people_are(folder):
    names = part_vocabulary(28).names
    parts = PartData(folder / "parts", part_vocabulary(28))
    assert len(parts) == IMAGES
    shown = set()
    for at in range(IMAGES):
        label = parts[at].label
        shown |= {names[number] for number in np.unique(label)}
        assert 0.02 < (label > 0).mean() < 0.95
    assert {"Background", "Face_Neck", "Upper_Clothing", "Lower_Clothing", "Hair"} <= shown
    assert any(name.startswith("Left_") for name in shown)
    # The drawing knows nothing of these.
    assert not shown & {"Left_Foot", "Left_Sock", "Tongue", "Left_Upper_Leg"}


def test_depth_and_normals_are_of_the_same_people(folder):
    depths, normals = DepthData(folder / "surfaces"), NormalData(folder / "surfaces")
    assert len(depths) == len(normals) == IMAGES
    for at in range(IMAGES):
        depth, normal = depths[at], normals[at]
        np.testing.assert_array_equal(depth.mask, normal.mask)
        np.testing.assert_array_equal(depth.image, normal.image)
        inside = depth.depth[depth.mask]
        assert 0.3 < inside.min() < inside.max() < 12  # metres
        assert np.ptp(inside) < 2.5
        # Visible surfaces look at the viewer, at least with one eye.
        assert (normal.normals[normal.mask][:, 2] > -0.6).all()
        assert (normal.normals[normal.mask][:, 2] > 0).mean() > 0.97


def test_a_folder_that_holds_something_is_left_alone(folder, tmp_path):
    with pytest.raises(WebbodyError, match="holds something already"):
        write_vision_sets(folder, 1, seed=0)
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(WebbodyError, match="holds something already"):
        write_vision_sets(file, 1, seed=0)
    assert digest(folder)
    with pytest.raises(WebbodyError, match="at least 1"):
        write_vision_sets(tmp_path / "none", 0, seed=0)
    assert not (tmp_path / "none").exists()


def test_all_pictures_are_in_shards_without_labels(folder, tmp_path):
    count = write_pictures(folder, tmp_path / "pictures")
    assert count == 3 * IMAGES
    pictures = read_pictures([str(tmp_path / "pictures")], 32)
    assert len(pictures) == count
    assert {pictures.picture(number).shape[2] for number in range(6)} == {3}
