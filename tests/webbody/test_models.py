"""Model files: found, refused, and told what to do when they cannot be fetched."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from webbody import model_fetching, model_table, models
from webbody.errors import WebbodyError
from webbody.model_table import (
    FACE_DETECTOR,
    FACE_EMBEDDER,
    KEYPOINTS,
    KNOWN,
    PERSONS,
    SUFFIXES,
    find,
)

ONNX = b"\x08\x07\x12\x07pytorch\x1a\x052.0" + bytes(100)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    """An empty home without a network."""
    for name in ("WEBBODY_CACHE", "XDG_CACHE_HOME", "TORCH_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))

    def offline(*arguments, **named):
        raise ConnectionError("network is unreachable")

    monkeypatch.setattr(model_fetching, "download", offline)
    # Files of these tests are small stand-ins, which no published digest fits.
    unpinned = tuple(replace(model, size=None, sha256=None) for model in KNOWN)
    monkeypatch.setattr(model_table, "KNOWN", unpinned)
    monkeypatch.setattr(models, "KNOWN", unpinned)
    return tmp_path


def test_a_path_is_taken_as_it_is(home):
    path = home / "mine.onnx"
    path.write_bytes(ONNX)
    assert models.resolve(str(path), FACE_DETECTOR) == path
    assert models.resolve("~/mine.onnx", KEYPOINTS) == path


@pytest.mark.parametrize(
    ("name", "backend", "source"),
    [
        ("yolov8n-pose.pt", PERSONS, "github.com/ultralytics"),
        ("buffalo_l", FACE_DETECTOR, "github.com/deepinsight"),
        ("cvlface_kprpe_vit_base_webface12m.pt", FACE_EMBEDDER, "huggingface.co/minchul"),
        ("rtmw-l-256x192", KEYPOINTS, "download.openmmlab.com"),
    ],
)
def test_a_name_without_a_network_tells_where_from_and_where_to(home, name, backend, source):
    with pytest.raises(WebbodyError) as told:
        models.resolve(name, backend)
    text = str(told.value)
    assert name in text and source in text and "webbody models fetch" in text
    assert str(home) in text and "network is unreachable" in text


def test_a_file_in_the_librarys_cache_is_found(home):
    place = home / ".insightface/models/buffalo_l/det_10g.onnx"
    place.parent.mkdir(parents=True)
    place.write_bytes(ONNX)
    assert models.resolve("buffalo_l", FACE_DETECTOR) == place
    nested = home / ".insightface/models/antelopev2/antelopev2/glintr100.onnx"
    nested.parent.mkdir(parents=True)
    nested.write_bytes(ONNX)
    assert models.resolve("antelopev2", FACE_EMBEDDER) == nested
    entry = find("rtmw-l-256x192", KEYPOINTS)
    cached = home / ".cache/rtmlib/hub/checkpoints" / entry.file
    cached.parent.mkdir(parents=True)
    cached.write_bytes(ONNX)
    assert models.resolve("rtmw-l-256x192", KEYPOINTS) == cached


def test_a_name_is_fetched_once(home, monkeypatch):
    fetched = []

    def download(model, folder):
        fetched.append(model.name)
        (folder / Path(model.file).name).write_bytes(ONNX)
        if "/" in model.file:  # a pack has both
            (folder / "w600k_mbf.onnx").write_bytes(ONNX)

    monkeypatch.setattr(model_fetching, "download", download)
    for _ in range(2):
        path = models.resolve("rtmpose-m-256x192", KEYPOINTS)
    assert fetched == ["rtmpose-m-256x192"] and path.exists()
    assert models.fetch(["buffalo_s"]) == [
        models.resolve("buffalo_s", FACE_DETECTOR),
        models.resolve("buffalo_s", FACE_EMBEDDER),
    ]


@pytest.mark.parametrize("backend", SUFFIXES)
def test_unknown_names_are_told_with_the_known_ones(backend):
    with pytest.raises(WebbodyError, match="no such file") as told:
        models.resolve("nothing.here", backend)
    assert all(model.name in str(told.value) for model in KNOWN if model.backend == backend)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.onnx", b"<!doctype html><html></html>", "damaged"),
        ("a.onnx", b"", "damaged"),
        ("a.pt", b"PK\x03\x04 and then nothing", "damaged"),
        ("a.safetensors", bytes(64), "damaged"),
        ("a.bin", b"whatever", "file"),
    ],
)
def test_a_wrong_file_is_refused(home, name, content, reason):
    (home / name).write_bytes(content)
    backend = {".onnx": KEYPOINTS}.get(Path(name).suffix, FACE_EMBEDDER)
    with pytest.raises(WebbodyError, match=reason) as told:
        models.resolve(str(home / name), backend)
    assert str(home / name) in str(told.value)


def test_a_folder_is_refused(home):
    with pytest.raises(WebbodyError, match="folder"):
        models.resolve(str(home), PERSONS)


def test_the_digest_follows_the_content(home):
    path = home / "a.onnx"
    path.write_bytes(ONNX)
    assert models.digest(path) == hashlib.sha256(ONNX).hexdigest()
    path.write_bytes(ONNX + b"more")
    assert models.digest(path) == hashlib.sha256(ONNX + b"more").hexdigest()


def test_the_list_names_every_model_with_its_licence(home):
    listed = models.available()
    assert len(listed) == len(KNOWN)
    assert all(row["licence"] and row["source"].startswith("https://") for row in listed)
    assert all(row["path"] is None for row in listed)
    place = home / ".cache/webbody/models/yolov8n-pose.pt"
    place.parent.mkdir(parents=True)
    place.write_bytes(b"")
    assert str(place) in {row["path"] for row in models.available()}


def test_fetching_an_unknown_name_is_told():
    with pytest.raises(WebbodyError, match="webbody models list"):
        models.fetch(["no-such-model"])


def test_a_loader_that_fails_is_told_in_one_sentence():
    with (
        pytest.raises(WebbodyError, match=r"x\.onnx: cannot be loaded as a test \(bad graph\)"),
        models.loading("x.onnx", "a test"),
    ):
        raise RuntimeError("bad graph\nat line 7\nTraceback")


def test_a_read_only_home_uses_a_temporary_folder(home, monkeypatch):
    from webbody.library_environment import cache_folder

    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/no-such-place")
    assert cache_folder().is_dir()
    monkeypatch.setenv("WEBBODY_CACHE", str(home / "mine"))
    assert cache_folder() == home / "mine"
