"""COCO-format keypoint files: what is right is read exactly, what is wrong is told."""

import json
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.sapiens.data import PoseData, read_keypoint_file
from model.sapiens.vocabulary import keypoint_vocabulary
from tests.model.sapiens.data.labelled_folders import (
    HEIGHT,
    WIDTH,
    annotation,
    coco,
    picture,
    pose_folder,
    save,
)  # fmt: skip
from webbody.errors import WebbodyError

NAN = float("nan")


def data(folder, content, points=17):
    return PoseData(*pose_folder(folder, content), keypoint_vocabulary(points))


def refused(folder, content, points=17):
    with pytest.raises(WebbodyError) as caught:
        data(folder, content, points)
    text = str(caught.value)
    assert text.endswith(".")
    assert "\n" not in text
    return text


def test_people_are_read_as_they_are_written(tmp_path):
    people = data(tmp_path, coco([annotation(7, image=2), annotation(9, image=1)]))
    assert len(people) == 2
    sample = people[0]
    np.testing.assert_array_equal(sample.image, picture(2))
    assert sample.box.tolist() == [4, 5, 32, 27]
    np.testing.assert_allclose(
        sample.keypoints, np.reshape(annotation()["keypoints"], (17, 3)), rtol=1e-6
    )
    assert (sample.image_id, sample.annotation_id) == (2, 7)
    assert people[1].annotation_id == 9


def test_crowds_and_people_without_points_teach_nothing_and_are_kept_for_the_metric(tmp_path):
    blank = annotation(2, keypoints=[0] * 51, bbox=[0, 0, 0, 0])
    rows = [annotation(1), blank, annotation(3, iscrowd=1)]
    people = data(tmp_path, coco(rows))
    assert len(people) == 1
    assert people.left_out == {"crowd": 1, "no labelled keypoint": 1}
    file = read_keypoint_file(tmp_path / "people.json", keypoint_vocabulary(17))
    assert [pose.crowd for pose in file.truth] == [False, False, True]
    assert file.truth[0].area == 300.5
    assert sorted(file.pictures) == [1, 2]


def test_boxes_are_clipped_to_the_picture(tmp_path):
    people = data(tmp_path, coco([annotation(bbox=[-5, -2, 100, 10])]))
    assert people[0].box.tolist() == [0, 0, WIDTH, 8]


def test_what_is_not_labelled_has_no_place(tmp_path):
    points = annotation()["keypoints"]
    points[:3] = [12.5, 13.5, 0]
    assert data(tmp_path, coco([annotation(keypoints=points)]))[0].keypoints[0].tolist() == [0] * 3


@pytest.mark.parametrize("split", [True, False])
def test_wholebody_points_may_be_split_over_keys(tmp_path, split):
    row = annotation(points=133)
    whole = row["keypoints"]
    if split:
        keys = ("keypoints", "foot_kpts", "face_kpts", "lefthand_kpts", "righthand_kpts")
        at = np.cumsum([0, 17, 6, 68, 21, 21]) * 3
        row |= {key: whole[at[i] : at[i + 1]] for i, key in enumerate(keys)}
    people = data(tmp_path, coco([row], points=17), points=133)
    np.testing.assert_allclose(people[0].keypoints.ravel(), whole, rtol=1e-6)


BROKEN = {
    "is no object": 5,
    "has no id": annotation(None),
    "is of a picture that is not listed": annotation(4, image=99),
    "has not a bbox of 4 numbers": annotation(4, bbox=[1, 2, 3]),
    "has not a bbox of finite numbers": annotation(4, bbox=[1, 2, 3, NAN]),
    "has an empty box": annotation(4, bbox=[1, 2, 0, 5]),
    "has an empty box ": annotation(4, bbox=[1, 2, -3, 5]),
    "has a box outside": annotation(4, bbox=[WIDTH, 2, 3, 5]),
    "has an area": annotation(4, area="large"),
    "has an area ": annotation(4, area=-1),
    "has no list `keypoints`": annotation(4, keypoints=None),
    "has 48 numbers for keypoints, and 17 points need 51": annotation(4, points=16),
    "has not a list keypoints of finite numbers": annotation(4, keypoints=[NAN] * 51),
    "has not a list keypoints of finite numbers ": annotation(4, keypoints=["1"] * 51),
    "has a visibility": annotation(4, keypoints=[1, 1, 3] * 17),
}


@pytest.mark.parametrize("what", BROKEN)
def test_broken_rows_are_told_with_file_and_annotation(tmp_path, what):
    row = BROKEN[what]
    text = refused(tmp_path, coco([annotation(1), row, annotation(5, bbox=None)]))
    number = "?" if row == 5 or row["id"] is None else 4
    assert f"people.json: annotation {number} {what.strip()}" in text
    assert "(and 1 more are broken)" in text


NUMBERS = st.floats() | st.integers(-3, 60) | st.just(10**400)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)
KEYS = ["id", "image_id", "bbox", "area", "keypoints", "iscrowd", "category_id"]


@given(VALUES | st.lists(NUMBERS, min_size=4, max_size=4), st.sampled_from(KEYS))
def test_any_value_of_a_row_is_read_or_told(tmp_path_factory, value, key):
    file = tmp_path_factory.mktemp("any") / "people.json"
    file.write_text(json.dumps(coco([annotation(4, **{key: value})])))
    try:
        read = read_keypoint_file(file, keypoint_vocabulary(17))
    except WebbodyError as error:
        assert "annotation" in str(error)
    else:
        assert all(np.isfinite(person.pose.keypoints).all() for person in read.people)


@pytest.mark.parametrize("content", ["{", "[1, 2]", '"text"', '{"images": []}', "[" * 100_000])
def test_what_is_no_annotation_file_is_told(tmp_path, content):
    assert "people.json: " in refused(tmp_path, content)


@pytest.mark.parametrize(
    "change",
    [{"id": None}, {"width": 0}, {"height": "30"}, {"file_name": "../1.png"},
     {"file_name": "/1.png"}, {"file_name": ""}, {"id": 2}],
)  # fmt: skip
def test_broken_pictures_are_told(tmp_path, change):
    content = coco([annotation(image=2)])
    content["images"][0] |= change
    assert "of `images` needs" in refused(tmp_path, content)


def test_another_number_of_points_is_told_before_any_row(tmp_path):
    assert "have 17 keypoints, and the vocabulary 133" not in refused(
        tmp_path, coco([annotation()]), points=133
    )  # 17 names may be those of COCO-WholeBody: the rows tell
    assert "have 17 keypoints, and the vocabulary 308" in refused(
        tmp_path, coco([annotation()]), points=308
    )


def test_names_in_another_order_are_told(tmp_path):
    content = coco([annotation()])
    content["categories"][0]["keypoints"].reverse()
    assert "in another order" in refused(tmp_path, content)


def test_people_are_told_from_other_categories(tmp_path):
    content = coco([annotation(1), annotation(2, category_id=2, keypoints=[1, 2, 3])])
    content["categories"].insert(0, {"id": 2, "name": "horse"})
    assert len(data(tmp_path, content)) == 1
    content["categories"][1]["name"] = "cow"
    assert "several categories" in refused(tmp_path, content)


def test_missing_pictures_are_told_before_training(tmp_path):
    file, images = pose_folder(tmp_path, coco([annotation(1), annotation(2, image=2)]))
    (images / "1.png").unlink()
    with pytest.raises(WebbodyError, match=r"images: 1\.png is missing, which people\.json lists"):
        PoseData(file, images, keypoint_vocabulary(17))
    (images / "2.png").unlink()
    with pytest.raises(WebbodyError, match=r"1\.png \(and 1 more\) is missing"):
        PoseData(file, images, keypoint_vocabulary(17))


def test_an_empty_file_is_told(tmp_path):
    assert "nobody" in refused(tmp_path, coco([]))


def test_a_picture_of_another_size_is_told(tmp_path):
    people = data(tmp_path, coco([annotation()]))
    save(tmp_path / "images" / "1.png", picture(width=HEIGHT, height=WIDTH))
    with pytest.raises(WebbodyError, match="is 30 x 40 pixels when upright, the annotations say"):
        people[0]
    (tmp_path / "images" / "1.png").write_bytes(b"no picture")
    with pytest.raises(WebbodyError, match="cannot be used"):
        people[0]


def test_the_digest_is_of_the_data(tmp_path):
    first = data(tmp_path / "a", coco([annotation()])).digest
    assert data(tmp_path / "b", coco([annotation()])).digest == first
    assert data(tmp_path / "c", coco([annotation(area=301.0)])).digest != first
    file, images = pose_folder(tmp_path / "d", coco([annotation()]))
    save(images / "1.png", np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    assert PoseData(file, images, keypoint_vocabulary(17)).digest != first


def test_workers_get_the_same_people(tmp_path):
    people = data(tmp_path, coco([annotation(1), annotation(2, image=2)]))
    copy = pickle.loads(pickle.dumps(people))
    assert copy.digest == people.digest
    np.testing.assert_array_equal(copy[1].image, people[1].image)
    np.testing.assert_array_equal(copy[1].keypoints, people[1].keypoints)
