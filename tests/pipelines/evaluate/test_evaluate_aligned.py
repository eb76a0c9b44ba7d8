"""Loose crops of IJB-B and IJB-C that are aligned before features are made."""

import sys

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from evaluated_trees import write_ijb

from model import SapiensID
from model.sapiensid.sapiensid import PRESETS
from pipelines.detection.subject import Subject
from pipelines.evaluate.benchmarks import read
from pipelines.evaluate.images.subject_cache import SubjectCache
from pipelines.evaluate.models.embedder import open_embedder
from pipelines.evaluate.requests import DatasetRequest
from pipelines.evaluate.run import evaluate
from webbody.cli.people import demo_models
from webbody.config import load
from webbody.errors import WebbodyError
from webbody.geometry import FACE_SIDE, FACE_TEMPLATE
from webbody.images import encode_jpeg

FACES = {f"{n}.jpg": (n, n, 0.5) for n in range(1, 6)}
PAIRS = "1 2 1\n1 3 0\n"
#: Colours of the five landmarks.
DOTS = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0], [255, 0, 255]])


def landmarks_of(number):
    """The template turned, scaled and moved, in a picture of 300 x 240 pixels."""
    turn = (number - 2) * 0.4
    turned = FACE_TEMPLATE @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    points = turned * (0.9 + 0.3 * number)
    return points - points.mean(0) + (150, 110 + 5 * number)


def dotted(points):
    """A grey picture with a dot of each colour at its landmark."""
    y, x = np.mgrid[:240, :300]
    picture = np.full((240, 300, 3), 128, np.uint8)
    for (at_x, at_y), colour in zip(points, DOTS, strict=True):
        picture[np.hypot(x - at_x, y - at_y) < 5] = colour
    return picture


@pytest.fixture
def tree(tmp_path):
    """Three crops with landmarks where their dots are; one with none, one with all in one point."""
    points = {f"{n}.jpg": landmarks_of(n) for n in (1, 2, 3)}
    lists = {name: list(value.ravel()) for name, value in points.items()}
    write_ijb(
        tmp_path, FACES, PAIRS, landmarks=lists | {"4.jpg": ["nan"] * 10, "5.jpg": [3.3, 50.7] * 5}
    )
    for name in FACES:
        picture = dotted(points.get(name, landmarks_of(1)))
        (tmp_path / "loose_crop" / name).write_bytes(encode_jpeg(picture, 95))
    return tmp_path


def untouched():
    """A finder that takes pictures as they are."""
    return lambda pictures: [
        Subject(picture, np.zeros((19, 3), np.float32), None) for picture in pictures
    ]


def samples_of(name, tree):
    return [
        sample
        for part in read(name, str(tree)).source().units(SubjectCache(untouched, 384, 10**6))
        for sample in part.samples()
    ]


def test_landmarks_come_where_the_template_has_them(tree):
    samples = samples_of("ijbb_aligned", tree)
    assert [sample.key for sample in samples] == [f"loose_crop/{name}" for name in FACES]
    y, x = np.mgrid[:FACE_SIDE, :FACE_SIDE]
    for sample in samples[:3]:
        assert sample.image.shape == (FACE_SIDE, FACE_SIDE, 3)
        for colour, place in zip(DOTS, FACE_TEMPLATE, strict=True):
            dot = np.abs(sample.image.astype(int) - colour).sum(2) < 150
            assert dot.any()
            np.testing.assert_allclose((x[dot].mean(), y[dot].mean()), place, atol=0.5)


def test_landmarks_without_a_similarity_are_an_outcome(tree):
    samples = samples_of("ijbb_aligned", tree)
    assert [sample.outcome for sample in samples] == [None] * 3 + ["face:unalignable"] * 2
    assert all(sample.image is None for sample in samples[3:])


def test_a_missing_library_is_told(tree, monkeypatch):
    monkeypatch.delitem(sys.modules, "pipelines.detection.embedding")
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(WebbodyError, match=r"Aligning faces needs cv2: pip install 'webbody\["):
        samples_of("ijbb_aligned", tree)


def test_loose_crops_stay_as_they_are(tree):
    samples = samples_of("ijbb", tree)
    assert [sample.outcome for sample in samples] == [None] * 5
    assert all(sample.image.shape == (240, 300, 3) for sample in samples)


def test_other_landmarks_are_other_parts(tree):
    def names(name):
        return [
            part.name
            for part in read(name, str(tree)).source().units(SubjectCache(untouched, 384, 10**6))
        ]

    before = {name: names(name) for name in ("ijbb", "ijbb_aligned")}
    assert before == {name: names(name) for name in before}
    file = tree / "meta/ijbb_name_5pts_score.txt"
    file.write_text(file.read_text().replace("50.7", "50.8"))
    assert names("ijbb") == before["ijbb"] and names("ijbb_aligned") != before["ijbb_aligned"]


def test_aligned_crops_are_evaluated_beside_loose_ones(tree, tmp_path):
    torch.manual_seed(0)
    SapiensID(**PRESETS["tiny"]).save_pretrained(tmp_path / "tiny")
    config = load(None, ("resources.device=cpu",), base=demo_models())
    requests = [DatasetRequest(name, str(tree)) for name in ("ijbb", "ijbb_aligned")]
    cache = tmp_path / "features"
    found = evaluate(requests, lambda: open_embedder(tmp_path / "tiny"), config, str(cache))
    assert [one.figures[0].name for one in found] == ["loose crops", "aligned"]
    missing = [one.figures[0].counts["images without a feature"] for one in found]
    assert missing == [0, 2]
    # Each has a file of its own, with the same keys.
    tables = [pq.read_table(next(cache.glob(f"{one.name}-*.parquet"))) for one in found]
    assert tables[0]["key"].to_pylist() == tables[1]["key"].to_pylist()
    assert tables[1]["outcome"].to_pylist() == [None] * 3 + ["face:unalignable"] * 2
    loose, aligned = (np.array(table["feature"].to_pylist()[:3]) for table in tables)
    assert not np.allclose(loose, aligned, rtol=1e-3)
