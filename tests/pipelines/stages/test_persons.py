"""The persons stage with the demo's detector, by ultralytics."""

import hashlib
import io
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from made_stages import with_settings
from photo_shards import SHARD, commit, demo_model, download_shard, photos, rgb, rows
from PIL import Image

from pipelines.base.stage import Inputs
from pipelines.detection.person_detection import PersonDetector
from pipelines.detection.yolo_persons import YoloPersons
from pipelines.stages.persons import SCHEMA, Persons
from webbody.decoders.limits import DecodingLimits
from webbody.decoders.pool import Decoders
from webbody.errors import WebbodyError
from webbody.geometry import padded
from webbody.images import decode, encode_jpeg
from webbody.shards import MemberReader
from webbody.storage import Folder

SETTINGS = {
    "model": demo_model("persons.pt"),
    "confidence": 0.3,
    "iou": 0.7,
    "image_size": 320,
    "padding": 0.05,
    "max_persons": 6,
    "min_side": 16,
    "device": "cpu",
}


@pytest.fixture(scope="module")
def pictures():
    return photos(8)


@pytest.fixture(scope="module")
def shard(tmp_path_factory, pictures) -> Path:
    """A finished shard: eight photos, one without anybody, a truncated one, a failed download."""
    out = tmp_path_factory.mktemp("persons")
    jpegs = {f"{index:020x}": encode_jpeg(rgb(photo), 90) for index, photo in enumerate(pictures)}
    whole = encode_jpeg(rgb(pictures[0]), 90)
    download_shard(
        out,
        {
            **jpegs,
            "blank": encode_jpeg(np.full((200, 300, 3), 127, np.uint8), 90),
            "cut": whole[: len(whole) // 2],
            "gone": "download:http-404",
        },
    )
    commit(out, with_settings(Persons, **SETTINGS))
    return out


def test_every_photo_has_rows_and_every_row_its_outcome(shard):
    table = Inputs(Folder(shard), SHARD).table("persons")
    assert table.schema.equals(SCHEMA)
    outcomes = {row["key"]: row["outcome"] for row in table.to_pylist()}
    assert len(outcomes) == 10 and "gone" not in outcomes
    assert outcomes["blank"] == "person:none"
    assert outcomes["cut"] == "image:truncated"
    rejected = [row for row in table.to_pylist() if row["outcome"]]
    assert all(row["crop"] == row["key"] and row["index"] == -1 for row in rejected)


def test_a_photo_beyond_the_limits_is_left_out_and_the_others_go_on(tmp_path, pictures):
    jpegs = {f"{index:020x}": encode_jpeg(rgb(photo), 90) for index, photo in enumerate(pictures)}
    slow = io.BytesIO()
    Image.new("RGB", (9000, 9000)).save(slow, "JPEG", progressive=True)
    download_shard(tmp_path, {**jpegs, "bomb": slow.getvalue()})
    stage = with_settings(Persons, **SETTINGS)
    stage.decoders = Decoders(1, DecodingLimits(memory=100_000_000, memory_per_million=0))
    commit(tmp_path, stage)
    found = {row["key"]: row["outcome"] for row in rows(tmp_path, "persons")}
    assert found.pop("bomb") == "image:too-large"
    assert set(found) == set(jpegs)
    assert not any((outcome or "").startswith("image:") for outcome in found.values())


def test_a_stricter_threshold_tells_the_score_that_was_not_enough(tmp_path, pictures):
    jpegs = {f"{index:020x}": encode_jpeg(rgb(photo), 90) for index, photo in enumerate(pictures)}
    best = {}
    for confidence in (0.3, 0.999):
        out = tmp_path / f"{confidence}"
        download_shard(out, jpegs)
        commit(out, with_settings(Persons, **SETTINGS | {"confidence": confidence}))
        for row in rows(out, "persons"):
            assert (row["outcome"] is None) == (confidence == 0.3)
            if row["score"] is not None:
                scores = best.setdefault((confidence, row["key"]), [])
                scores.append(row["score"])
    some = [key for confidence, key in best if confidence == 0.3]
    assert some
    for key in some:
        assert best[0.999, key] == [max(best[0.3, key])]


def test_crops_show_what_the_table_says(shard, pictures):
    found = [row for row in rows(shard, "persons") if row["outcome"] is None]
    assert found
    with MemberReader(Folder(shard), f"persons/{SHARD}.tar") as tar:
        for row in found:
            photo = rgb(pictures[int(row["key"], 16)])
            left, top, right, bottom = row["area"]
            data = tar.read(row["offset"], row["length"])
            assert row["digest"] == hashlib.blake2b(data, digest_size=10).hexdigest()
            crop = decode(data).astype(int)
            assert crop.shape == (bottom - top, right - left, 3) == (row["height"], row["width"], 3)
            # Twice through JPEG: close, not equal.
            assert np.abs(crop - photo[top:bottom, left:right]).mean() < 8
            x1, y1, x2, y2 = row["box"]
            assert left <= x1 < x2 <= right and top <= y1 < y2 <= bottom
            assert len(row["keypoints"]) == 51


def test_the_largest_person_comes_first(shard):
    by_photo: dict[str, list] = {}
    for row in rows(shard, "persons"):
        by_photo.setdefault(row["key"], []).append(row)
    for found in by_photo.values():
        if found[0]["outcome"] is None:
            assert [row["crop"] for row in found] == [
                f"{found[0]['key']}-{index}" for index in range(len(found))
            ]
            sizes = [(r["box"][2] - r["box"][0]) * (r["box"][3] - r["box"][1]) for r in found]
            assert sizes == sorted(sizes, reverse=True)


def test_a_batch_finds_what_single_photos_find(pictures):
    arguments = ("persons.pt", 0.3, 0.7, 320, "cpu")
    detector = PersonDetector(demo_model(arguments[0]), *arguments[1:], batch=8, threads=1)
    images = [rgb(photo) for photo in pictures]
    for image, together in zip(images, detector(images), strict=True):
        alone = detector([image])[0]
        assert together.boxes.shape == alone.boxes.shape
        np.testing.assert_allclose(together.boxes, alone.boxes, atol=0.05)
        np.testing.assert_allclose(together.keypoints, alone.keypoints, atol=0.05)


def test_boxes_are_those_of_the_library(pictures):
    detector = PersonDetector(demo_model("persons.pt"), 0.3, 0.7, 320, "cpu", batch=8, threads=1)
    square = pictures[0]
    result = detector._library.yolo.predict(square.image, imgsz=320, conf=0.3, verbose=False)[0]
    ours = detector([rgb(square)])[0]
    np.testing.assert_allclose(ours.boxes, result.boxes.xyxy.numpy(), atol=0.1)
    np.testing.assert_allclose(ours.scores, result.boxes.conf.numpy(), atol=1e-3)


def test_photos_that_ultralytics_gave_up_on_are_asked_for_again():
    class Hurried:
        """After 2 s of post-processing ultralytics returns nothing for the rest of a batch."""

        def predict(self, images, **settings):
            milliseconds = 2100 if len(images) > 1 else 5
            speed = {"postprocess": milliseconds / len(images)}
            found = [image.mean() for image in images[:1]] + [None] * (len(images) - 1)
            return [SimpleNamespace(found=value, speed=speed) for value in found]

    detector = YoloPersons.__new__(YoloPersons)
    detector.yolo, detector.size, detector.confidence, detector.device = Hurried(), 64, 0.5, "cpu"
    detector.iou, detector._person = 0.7, 0
    images = [np.full((64, 64, 3), value, np.uint8) for value in (1, 2, 3)]
    assert [result.found for result in detector._predict(images)] == [1, 2, 3]


def test_the_same_shard_twice_gives_the_same_bytes(tmp_path, pictures):
    digests = []
    for name, threads in (("a", 1), ("b", 3)):
        download_shard(
            tmp_path / name, {f"{i}": encode_jpeg(rgb(p), 90) for i, p in enumerate(pictures)}
        )
        stage = with_settings(Persons, **SETTINGS, threads=1)
        stage.threads = threads  # of the decoding; those of the network may change its last digits
        folder = commit(tmp_path / name, stage)
        digests.append([folder.read(f"persons/{SHARD}.{kind}") for kind in ("parquet", "tar")])
    assert digests[0] == digests[1]


def test_small_persons_and_more_than_wanted_are_left_out(tmp_path, pictures):
    download_shard(tmp_path, {f"{i}": encode_jpeg(rgb(p), 90) for i, p in enumerate(pictures)})
    commit(tmp_path, with_settings(Persons, **{**SETTINGS, "min_side": 2000}))
    assert {row["outcome"] for row in rows(tmp_path, "persons")} <= {
        "person:too-small",
        "person:none",
    }
    commit(tmp_path, with_settings(Persons, **{**SETTINGS, "max_persons": 1}))
    assert all(row["index"] <= 0 for row in rows(tmp_path, "persons"))


def test_an_empty_shard(tmp_path):
    download_shard(tmp_path, {"gone": "download:timeout"})
    commit(tmp_path, with_settings(Persons, **SETTINGS))
    assert rows(tmp_path, "persons") == []


def test_padding_stays_inside_the_photo():
    assert padded(np.array([10, 20, 110, 220]), 0.05, 640, 640) == (5, 10, 115, 230)
    assert padded(np.array([0, 0, 640, 480]), 0.05, 640, 480) == (0, 0, 640, 480)


@pytest.mark.parametrize("content", [b"", b"<html>no such model</html>", b"PK\x03\x04 cut"])
def test_a_damaged_model_file_is_told(tmp_path, content):
    (tmp_path / "model.pt").write_bytes(content)
    with pytest.raises(WebbodyError, match=r"model\.pt"):
        with_settings(Persons, **{**SETTINGS, "model": str(tmp_path / "model.pt")})


def test_a_model_of_another_kind_is_told():
    with pytest.raises(WebbodyError, match=r"embedder\.pt"):
        with_settings(Persons, **{**SETTINGS, "model": demo_model("embedder.pt")})
