"""Boxes of people from a detector's results or from annotations."""

import json

import numpy as np
import pytest

from model.sapiens.data.box_file import read_box_file
from webbody.errors import WebbodyError

ROW = {"image_id": 7, "category_id": 1, "bbox": [1, 2, 10, 20.5], "score": 0.75}


def written(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_results_of_a_detector(tmp_path):
    others = [{**ROW, "category_id": 3, "bbox": "broken"}, {**ROW, "image_id": 2}]
    file = read_box_file(written(tmp_path / "r.json", [ROW, *others, {**ROW, "score": 1}]))
    assert file.names == {} and set(file.people) == {7, 2}
    np.testing.assert_array_equal(file.people[7].boxes, [[1, 2, 11, 22.5]] * 2)
    assert file.people[7].scores.tolist() == [0.75, 1]


def test_annotations_with_pictures_and_categories(tmp_path):
    content = {
        "images": [{"id": 7, "file_name": "a/b.jpg"}, {"id": 8, "file_name": "empty.jpg"}],
        "categories": [{"id": 1, "name": "dog"}, {"id": 4, "name": "person"}],
        "annotations": [{**ROW, "category_id": 4}, ROW, {"image_id": 7, "bbox": [0, 0, 5, 5]}],
    }
    file = read_box_file(written(tmp_path / "a.json", content))
    assert file.names == {"a/b.jpg": 7, "empty.jpg": 8}
    assert file.people[7].scores.tolist() == [0.75, 1]
    assert file.people[8].boxes.shape == (0, 4)


@pytest.mark.parametrize(
    "content, words",
    [
        ("no json", "no JSON"),
        ({"boxes": []}, "holds no boxes"),
        ([1], "row 0 of the boxes is no object"),
        ([ROW, {**ROW, "bbox": [1, 2, 3]}], "row 1 of the boxes has no bbox"),
        ([{**ROW, "bbox": [1, 2, float("nan"), 4]}], "no bbox of four finite"),
        ([{**ROW, "bbox": [1, 2, 0, 4]}], "empty box"),
        ([{**ROW, "image_id": "7"}], "no image_id"),
        ([{**ROW, "score": 7}], "score"),
        ({"images": [{"id": 1, "file_name": "x"}], "annotations": [ROW]}, "not listed"),
        ({"images": [{"id": 1}], "annotations": []}, "row 0 of `images`"),
    ],
)
def test_broken_files_are_told(tmp_path, content, words):
    with pytest.raises(WebbodyError, match=words) as error:
        read_box_file(written(tmp_path / "b.json", content))
    assert "b.json" in str(error.value)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(WebbodyError, match="cannot be read"):
        read_box_file(tmp_path / "none.json")
