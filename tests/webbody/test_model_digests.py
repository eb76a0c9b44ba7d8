"""A model file under a known name is the one that is meant, or it is refused."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from webbody import model_digests, model_fetching, model_table, models
from webbody.errors import WebbodyError
from webbody.model_table import FACE_DETECTOR, KEYPOINTS, KNOWN

ONNX = b"\x08\x07\x12\x07pytorch\x1a\x052.0" + bytes(100)
NAME = "buffalo_l"


@pytest.fixture
def put(tmp_path, monkeypatch):
    """Puts content where a name's file lies; `sha256` is what the table says of it."""
    for name in ("XDG_CACHE_HOME", "TORCH_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("WEBBODY_CACHE", str(tmp_path / "cache"))

    def write(content: bytes, sha256: str | None) -> Path:
        known = tuple(
            replace(model, sha256=sha256, size=len(ONNX)) if model.name == NAME else model
            for model in KNOWN
        )
        monkeypatch.setattr(model_table, "KNOWN", known)
        place = tmp_path / ".insightface/models/buffalo_l/det_10g.onnx"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        return place

    return write


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_the_published_file_is_taken_and_another_is_refused(put):
    place = put(ONNX, sha256(ONNX))
    assert models.resolve(NAME, FACE_DETECTOR) == place
    for content in (ONNX[:-1], ONNX[:-1] + b"x", ONNX + b"x"):
        put(content, sha256(ONNX))
        with pytest.raises(WebbodyError, match="is not the file") as told:
            models.resolve(NAME, FACE_DETECTOR)
        text = str(told.value)
        assert str(place) in text and f"{len(content):,} bytes" in text
        assert sha256(content)[:12] in text and sha256(ONNX)[:12] in text
        assert f"webbody models fetch {NAME}" in text
        assert models.resolve(str(place), FACE_DETECTOR) == place  # by its path it is meant


def test_what_is_fetched_is_checked_too(put, monkeypatch):
    place = put(b"", sha256(ONNX))
    place.unlink()
    content = ONNX[:-3]

    def download(model, folder):
        (folder / place.name).write_bytes(content)

    monkeypatch.setattr(model_fetching, "download", download)
    with pytest.raises(WebbodyError, match="gave another file than") as told:
        models.resolve(NAME, FACE_DETECTOR)
    assert f"{len(content):,} bytes" in str(told.value) and str(place) in str(told.value)
    assert not place.exists()  # what was cut off is never taken for it
    content = ONNX
    assert models.resolve(NAME, FACE_DETECTOR) == place


def test_the_first_digest_is_remembered_and_a_change_is_refused(put, tmp_path):
    model = model_table.find(NAME, FACE_DETECTOR)
    place = put(ONNX, None)
    assert model_digests.state(replace(model, sha256=None)) == model_digests.UNKNOWN
    for _ in range(2):
        assert models.resolve(NAME, FACE_DETECTOR) == place
    assert model_digests.state(replace(model, sha256=None)) == model_digests.REMEMBERED
    put(ONNX + b"x", None)
    with pytest.raises(WebbodyError, match="has changed since") as told:
        models.resolve(NAME, FACE_DETECTOR)
    assert "model-digests.json" in str(told.value)
    put(ONNX, None)
    assert models.resolve(NAME, FACE_DETECTOR) == place
    remembered = json.loads((tmp_path / "cache/model-digests.json").read_text())
    assert list(remembered.values()) == [sha256(ONNX)]


@pytest.mark.parametrize("content", ["", "[]", "{", '{"other": "abc"}'])
def test_a_damaged_memory_is_as_none(put, tmp_path, content):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache/model-digests.json").write_text(content)
    place = put(ONNX, None)
    assert models.resolve(NAME, FACE_DETECTOR) == place


def test_a_cache_that_cannot_be_written_remembers_nothing(put, monkeypatch):
    place = put(ONNX, None)
    monkeypatch.setenv("WEBBODY_CACHE", "/proc/no-such-place")
    assert models.resolve(NAME, FACE_DETECTOR) == place


def test_digests_of_the_table_are_of_the_right_form():
    pinned = [model for model in KNOWN if model.sha256]
    assert pinned
    for model in pinned:
        assert len(model.sha256) == 64 and int(model.sha256, 16) and model.sha256.islower()
        assert model.size is None or model.size > 100_000
    # One file under several names has one digest.
    for file in ("w600k_r50.onnx",):
        same = {model.sha256 for model in KNOWN if model.file.endswith(file)}
        assert len(same) == 1


def test_showing_a_model_says_what_it_is():
    told = models.described("rtmw-l-256x192")
    facts = told["rtmw-l-256x192 (keypoints)"]
    assert facts["beta"] == "1" and facts["colours"].startswith("RGB")
    assert facts["input"] == "192 x 256 px" and "permissive" in facts["licence"]
    assert len(models.described(NAME)) == 2  # a detector and an embedder
    assert models.described("scrfd")["scrfd (family)"]["threshold"].startswith("0.5")
    with pytest.raises(WebbodyError, match="no such model"):
        models.described("nothing")
    assert {row["permissive"] for row in models.available() if row["backend"] == KEYPOINTS} == {
        True
    }
