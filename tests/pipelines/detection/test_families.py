"""A model is of the family that its file is; thresholds are the family's where none is set."""

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from magenta_detector import export
from photo_shards import demo_model
from tiny_onnx import write_region_means

from pipelines.detection import families
from pipelines.engine.graph import tasks
from pipelines.engine.settings_files import files_of, with_thresholds
from pipelines.galleries.picture_faces import PictureFaces
from webbody import model_contracts as contracts
from webbody.config import WorkerResources, load
from webbody.errors import WebbodyError


def demo_config(*overrides: str):
    files = {
        "persons": {"model": demo_model("persons.pt")},
        "faces": {
            "detector": demo_model("faces.onnx"),
            "embedder": demo_model("embedder.pt"),
        },
        "keypoints": {"model": demo_model("keypoints.onnx")},
    }
    return load(None, overrides, base=files)


def test_an_scrfd_file_is_known_by_its_outputs(tmp_path):
    assert families.face_detector(demo_model("faces.onnx")) is contracts.SCRFD
    assert families.face_detector(export(tmp_path / "any-name.onnx")) is contracts.SCRFD


@pytest.mark.parametrize("file", ["keypoints.onnx", "means.onnx"])
def test_a_file_of_another_kind_is_no_face_detector(tmp_path, file):
    path = tmp_path / "means.onnx"
    write_region_means(path, (112, 112), (2, 2))
    given = str(path) if file == path.name else demo_model(file)
    with pytest.raises(WebbodyError, match="is no face detector") as told:
        families.face_detector(given)
    assert given in str(told.value) and "outputs" in str(told.value)


@pytest.mark.parametrize("share", [0.3, 0.999])
@pytest.mark.parametrize("load", [families.face_detector, families.person_detector])
def test_a_file_that_was_cut_off_is_told(tmp_path, load, share):
    whole = Path(demo_model("faces.onnx")).read_bytes()
    path = tmp_path / "cut.onnx"
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(WebbodyError, match=r"cut\.onnx: cannot be loaded"):
        load(str(path))


def test_a_file_of_another_family_under_a_known_name_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("WEBBODY_CACHE", str(tmp_path / "cache"))
    place = tmp_path / ".insightface/models/buffalo_m/det_2.5g.onnx"
    place.parent.mkdir(parents=True)
    shutil.copy(demo_model("keypoints.onnx"), place)
    with pytest.raises(WebbodyError, match="is no scrfd face detector"):
        families.face_detector("buffalo_m")
    monkeypatch.setenv("WEBBODY_CACHE", str(tmp_path / "another"))  # which remembers no digest
    shutil.copy(demo_model("faces.onnx"), place)
    assert families.face_detector("buffalo_m") is contracts.SCRFD


@given(value=st.floats(0, 1))
def test_a_threshold_on_the_scale_is_taken_as_it_is(value):
    assert families.threshold(contracts.SCRFD, value, "faces.min_score") == value


@pytest.mark.parametrize("value", [-0.1, 1.01, 95, float("inf"), float("nan")])
def test_a_threshold_off_the_scale_is_told_with_the_scale(value):
    with pytest.raises(WebbodyError, match=r"faces\.min_score is .* between 0 and 1") as told:
        families.threshold(contracts.SCRFD, value, "faces.min_score")
    assert "0.5" in str(told.value)


def test_without_a_setting_it_is_the_familys_own():
    assert families.threshold(contracts.SCRFD, None, "faces.min_score") == 0.5


def test_the_number_that_holds_is_in_the_fingerprint():
    own = with_thresholds(demo_config())
    assert own.faces.min_score == 0.5
    given, other = (demo_config(f"faces.min_score={value}") for value in (0.5, 0.6))
    prints = [
        tasks(config, files_of(config))["faces"].fingerprint
        for config in (own, with_thresholds(given), with_thresholds(other))
    ]
    assert prints[0] == prints[1] != prints[2]


def test_galleries_and_calibration_use_the_same_rule():
    own = demo_config().faces.model_copy(update={"min_score": None})
    use = WorkerResources("cpu")
    assert PictureFaces(own, use).min_score == with_thresholds(demo_config()).faces.min_score
    with pytest.raises(WebbodyError, match="between 0 and 1"):
        PictureFaces(own.model_copy(update={"min_score": 95}), use)
