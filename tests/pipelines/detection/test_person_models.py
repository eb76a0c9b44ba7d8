"""Person detectors of every family and format: boxes, classes, the channels that they are given."""

import json
import shutil
import sys

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_stages import with_settings
from photo_shards import (
    SHARD,
    commit,
    demo_model,
    download_shard,
    photos,
    rgb,
    rows,
)
from tiny_detectors import BOX, SIDE, export
from tiny_onnx import write_region_means

from pipelines.detection import families
from pipelines.detection.person_detection import PersonDetector
from pipelines.detection.rtmlib_persons import letterbox
from pipelines.stages.persons import Persons
from webbody import model_contracts as contracts
from webbody.errors import WebbodyError
from webbody.images import encode_jpeg

YOLO = {
    "task": "detect",
    "stride": "32",
    "batch": "1",
    "imgsz": f"[{SIDE}, {SIDE}]",
    "names": "{0: 'dog', 1: 'person'}",
}


def detector(path: str, **named) -> PersonDetector:
    values = {"confidence": None, "iou": 0.7, "image_size": SIDE, "device": "cpu", "batch": 4}
    return PersonDetector(path, **(values | {"threads": 1} | named))


def photo(colour: tuple[int, int, int], width: int = 2 * SIDE, height: int = 2 * SIDE):
    return np.broadcast_to(np.array(colour, np.uint8), (height, width, 3)).copy()


RED, BLUE = photo((255, 0, 0)), photo((0, 0, 255))


def first_of(contract: contracts.Contract, value: float) -> float:
    return (value - contract.mean[0]) / contract.std[0]


def made(tmp_path, family: str) -> str:
    """A detector of a family whose score is 0.9 where its first channel is 255, 0 where it is 0."""
    contract = contracts.FAMILIES[family]
    low, high = first_of(contract, 0), first_of(contract, 255)
    gain = 0.9 / (high - low)
    layout = {"rtmdet": "dets", "yolox": "dets", "rtmo": "rtmo", "yolo-detect": "yolo"}[family]
    metadata = YOLO if layout == "yolo" else None
    return export(
        tmp_path / f"{family}.onnx", layout, gain, -gain * low, metadata, person=layout == "yolo"
    )


@pytest.mark.parametrize("family", ["rtmdet", "yolox", "rtmo", "yolo-detect"])
def test_the_channel_that_comes_first_is_that_of_the_contract(tmp_path, family):
    # Public configurations: RTMDet, YOLOX and RTMO take BGR; ultralytics' networks see RGB.
    told = {"family": family} if family in ("rtmdet", "yolox") else {}
    found = detector(made(tmp_path, family), **told)
    assert found.contract.family == family
    blue_first = family != "yolo-detect"
    assert (found.contract.colours == "BGR") is blue_first
    seen, unseen = (BLUE, RED) if blue_first else (RED, BLUE)
    persons, nobody = found([seen, unseen])
    assert len(nobody.boxes) == 0
    assert len(persons.boxes) == 1  # neither the doubled box nor the thing of another class
    np.testing.assert_allclose(persons.boxes[0], np.array(BOX) * 2, atol=0.6)
    np.testing.assert_allclose(persons.scores, [0.9], atol=0.01)


def test_a_grid_of_yolox_is_decoded(tmp_path):
    found = detector(export(tmp_path / "grid.onnx", "cells", 0.9 / 255))
    assert found.contract is contracts.YOLOX  # only YOLOX has an objectness
    persons = found([BLUE])[0]
    np.testing.assert_allclose(persons.boxes, [np.array(BOX) * 2], atol=1e-3)
    np.testing.assert_allclose(persons.scores, [0.9], atol=1e-3)
    assert not persons.keypoints.any()


def test_rtmo_gives_boxes_and_keypoints(tmp_path):
    persons = detector(made(tmp_path, "rtmo"))([BLUE])[0]
    marks = np.arange(17)[:, None] + np.array([[8, 16]])
    np.testing.assert_allclose(persons.keypoints[0, :, :2], marks * 2, atol=1e-3)
    np.testing.assert_allclose(persons.keypoints[0, :, 2], 0.9, atol=1e-3)


@settings(max_examples=30)
@given(width=st.integers(1, 400), height=st.integers(1, 400))
def test_a_photo_is_prepared_as_rtmlib_prepares_it(width, height):
    from rtmlib import YOLOX

    library = YOLOX.__new__(YOLOX)
    library.model_input_size = (SIDE, SIDE)
    picture = np.random.default_rng(width * 1000 + height).integers(0, 256, (height, width, 3))
    picture = picture.astype(np.uint8)
    ours, (x, y) = letterbox(picture, SIDE, SIDE)
    assert x > 0 and y > 0
    if min(int(width * SIDE / max(width, height)), int(height * SIDE / max(width, height))) > 0:
        theirs, ratio = library.preprocess(picture)
        np.testing.assert_array_equal(ours, theirs)
        assert max(abs(x - ratio) * width, abs(y - ratio) * height) <= 1 + 1e-9


def test_two_families_with_the_same_outputs_must_be_told(tmp_path):
    path = made(tmp_path, "rtmdet")
    with pytest.raises(WebbodyError, match=r"set persons\.family to rtmdet or yolox"):
        detector(path)
    with pytest.raises(WebbodyError, match="not rtmo"):
        detector(path, family="rtmo")
    assert detector(path, family="yolox").contract is contracts.YOLOX
    assert families.person_detector(path, "rtmdet").threshold == 0.3


def test_a_known_file_needs_not_be_told(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("WEBBODY_CACHE", str(tmp_path / "cache"))
    for name in ("XDG_CACHE_HOME", "TORCH_HOME"):
        monkeypatch.delenv(name, raising=False)
    from webbody import models
    from webbody.model_table import PERSONS, find

    place = models.location(find("rtmdet-m-640x640", PERSONS))
    place.parent.mkdir(parents=True)
    shutil.copy(made(tmp_path, "rtmdet"), place)
    assert detector("rtmdet-m-640x640").contract is contracts.RTMDET


@pytest.mark.parametrize("file", ["faces.onnx", "keypoints.onnx", "means.onnx"])
def test_a_model_of_another_kind_is_no_person_detector(tmp_path, file):
    path = tmp_path / "means.onnx"
    write_region_means(path, (SIDE, SIDE), (2, 2))
    wrong = str(path) if file == path.name else demo_model(file)
    with pytest.raises(WebbodyError, match="is no person detector") as told:
        detector(wrong)
    assert wrong in str(told.value)


def test_a_model_that_knows_no_persons_is_told(tmp_path):
    dogs = YOLO | {"names": "{0: 'dog', 1: 'cat'}"}
    with pytest.raises(WebbodyError, match=r"no class named person \(but dog, cat"):
        detector(export(tmp_path / "dogs.onnx", "yolo", 1.0, metadata=dogs))
    wrong = YOLO | {"task": "pose", "kpt_shape": "[21, 3]"}
    with pytest.raises(WebbodyError, match=r"keypoints \(21, 3\)"):
        detector(export(tmp_path / "hands.onnx", "yolo", 1.0, metadata=wrong))
    other = YOLO | {"task": "classify"}
    with pytest.raises(WebbodyError, match="is a classify model"):
        detector(export(tmp_path / "classes.onnx", "yolo", 1.0, metadata=other))


def test_an_engine_says_what_it_is_before_it_is_loaded(tmp_path):
    text = json.dumps(
        {"task": "pose", "names": {"0": "person"}, "kpt_shape": [17, 3], "imgsz": [640, 640]}
    ).encode()
    path = tmp_path / "persons.engine"
    path.write_bytes(len(text).to_bytes(4, "little") + text + b"no engine")
    assert families.person_detector(str(path)) is contracts.YOLO_POSE
    with pytest.raises(
        WebbodyError, match=r"persons\.engine: (cannot be loaded|\.engine files need tensorrt)"
    ):
        detector(str(path))
    path.write_bytes(b"ftrt" + bytes(100))
    with pytest.raises(WebbodyError, match=r"persons\.engine: is damaged or no \.engine file"):
        detector(str(path))


@pytest.mark.parametrize("value", [-0.5, 1.5])
def test_a_confidence_off_the_scale_is_told(value):
    with pytest.raises(WebbodyError, match=r"persons\.confidence .* between 0 and 1"):
        detector(demo_model("persons.pt"), confidence=value)


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> dict[str, str]:
    """The demo's person model as ultralytics exports it."""
    from webbody.library_environment import import_ultralytics

    folder = tmp_path_factory.mktemp("exports")
    ultralytics = import_ultralytics()
    out = {}
    for kind, named in (("torchscript", {}), ("onnx", {"simplify": False})):
        shutil.copy(demo_model("persons.pt"), folder / "persons.pt")
        model = ultralytics.YOLO(folder / "persons.pt")
        out[kind] = str(model.export(format=kind, imgsz=320, verbose=False, **named))
    return out


@pytest.mark.parametrize("kind", ["torchscript", "onnx"])
def test_an_export_finds_what_the_model_finds(exported, kind):
    images = [rgb(one) for one in photos(3, sizes=((320, 320),))]
    own = detector(demo_model("persons.pt"), confidence=0.4, image_size=320)
    other = detector(exported[kind], confidence=0.4, image_size=640)
    assert other.contract is contracts.YOLO_POSE
    for ours, theirs in zip(own(images), other(images), strict=True):
        assert len(ours.boxes) == len(theirs.boxes) > 0
        np.testing.assert_allclose(theirs.boxes, ours.boxes, atol=0.5)
        np.testing.assert_allclose(theirs.scores, ours.scores, atol=0.01)
        np.testing.assert_allclose(theirs.keypoints, ours.keypoints, atol=0.5)


def test_an_export_of_a_fixed_size_takes_photos_of_any_shape(exported):
    wide = cv2.resize(rgb(photos(1)[0]), (500, 300))
    for persons in detector(exported["onnx"], confidence=0.1)([wide, wide[:, :200]]):
        assert persons.boxes[:, 2].max(initial=0) <= 500
        assert persons.keypoints.shape == (len(persons.boxes), 17, 3)


def test_persons_without_keypoints_go_through_the_stages(tmp_path):
    """The faces stage then looks at the whole crop."""
    from pipelines.stages.faces import Faces

    pictures = photos(4, sizes=((640, 480),))
    data = {f"{i}": encode_jpeg(rgb(one), 90) for i, one in enumerate(pictures)}
    download_shard(tmp_path, data)
    whole = tmp_path / "whole.onnx"
    # A detector that sees one person, nearly as large as the photo, whatever the photo shows.
    export(whole, "yolo", 0.0, 0.9, YOLO, person=1)
    stage = with_settings(Persons,
        model=str(whole), confidence=None, iou=0.7, image_size=SIDE, padding=1.0, max_persons=1,
        min_side=32, device="cpu",
    )  # fmt: skip
    commit(tmp_path, stage)
    persons = rows(tmp_path, "persons")
    assert all(row["outcome"] is None for row in persons)
    assert all(not any(row["keypoints"]) for row in persons)
    commit(
        tmp_path,
        with_settings(Faces,
            detector=demo_model("faces.onnx"), detector_size=320, min_score=None, min_size=16,
            embedder=demo_model("embedder.pt"), device="cpu",
        ),
    )  # fmt: skip
    faces = rows(tmp_path, "faces")
    assert len(faces) == len(persons) and SHARD
    assert sum(row["outcome"] is None for row in faces) >= 2


def test_the_families_of_rtmlib_need_no_ultralytics(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ultralytics", None)
    assert len(detector(made(tmp_path, "rtmo"))([BLUE])[0].boxes) == 1
    with pytest.raises(ImportError):
        detector(demo_model("persons.pt"))
