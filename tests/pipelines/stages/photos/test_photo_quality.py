"""Persons, quality and packing of whole photos, on photos of the demo's world."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made_stages import with_settings
from photo_shards import SHARD, Given, commit, demo_model, download_shard, photos, rgb, rows
from PIL import Image

from pipelines.base.custom_filter import CustomFilters, find_filter
from pipelines.base.stage import run_shard
from pipelines.stages.photos.pack import PhotoPack, photo_json
from pipelines.stages.photos.persons import SCHEMA, PhotoPersons
from pipelines.stages.photos.quality import Quality
from webbody.config import PhotosSettings, QualitySettings
from webbody.errors import WebbodyError
from webbody.images import decode, encode_jpeg
from webbody.sample_keys import packed_key
from webbody.storage import Folder

DETECTOR = {"model": demo_model("persons.pt"), "confidence": 0.3, "image_size": 320}


def jpeg(image):
    return encode_jpeg(image, 90)


def quality_of(out, images, persons, **settings):
    """Outcomes by key of photos whose persons are given as (box, score); the rows, too."""
    download_shard(out, {key: jpeg(image) for key, image in images.items()})
    path = out / "download" / f"{SHARD}.parquet"
    download = pq.read_table(path)
    urls = pa.array([f"http://a/{key}" for key in download["key"].to_pylist()])
    pq.write_table(download.append_column("url", urls), path)
    made = [
        {"crop": f"{key}-{i}", "key": key, "index": i, "outcome": None, "box": box, "score": score}
        for key, them in persons.items()
        for i, (box, score) in enumerate(them)
    ]
    commit(out, Given("persons", pa.Table.from_pylist(made, SCHEMA)))
    stage = Quality(QualitySettings(**settings))
    commit(out, stage)
    return {row["key"]: row for row in rows(out, "quality")}


def test_everybody_is_found_in_photos_and_nobody_in_others(tmp_path):
    pictures = photos(6)
    files = {f"{i:020x}": jpeg(rgb(photo)) for i, photo in enumerate(pictures)}
    dots = {
        "dot": jpeg(np.zeros((1, 1, 3), np.uint8)),
        "line": jpeg(np.ones((1, 900, 3), np.uint8)),
    }
    whole = files[f"{0:020x}"]
    download_shard(
        tmp_path, {**files, **dots, "cut": whole[: len(whole) // 2], "gone": "download:x"}
    )
    commit(tmp_path, with_settings(PhotoPersons, **DETECTOR))
    found = rows(tmp_path, "persons")
    outcomes = {row["key"]: row["outcome"] for row in found}
    assert outcomes.pop("dot") == outcomes.pop("line") == "person:none"
    assert outcomes.pop("cut") == "image:truncated"
    assert set(outcomes) == set(files)
    assert not (tmp_path / "persons" / f"{SHARD}.tar").exists()
    by_photo = {key: [row for row in found if row["key"] == key] for key in files}
    for number, them in enumerate(by_photo.values()):
        height, width = pictures[number].image.shape[:2]
        boxes = np.array([row["box"] for row in them if row["box"]]).reshape(-1, 4)
        areas = (boxes[:, 2:] - boxes[:, :2]).prod(1).tolist()
        assert areas == sorted(areas, reverse=True)
        assert (boxes >= 0).all() and (boxes <= [width, height] * 2).all()
    assert max(map(len, by_photo.values())) > 1


def test_a_certain_and_large_person_decides(tmp_path):
    noisy = np.random.default_rng(0).integers(90, 110, (400, 640, 3)).astype(np.uint8)
    large, small = [10, 10, 320, 200], [0, 0, 300, 300]  # 310, and exactly 300 px
    persons = {
        "good": [(large, 0.95)],
        "small": [(small, 0.95)],
        "unsure": [(large, 0.9)],  # above, not at least
        "both": [(large, 0.8), (small, 0.99)],
        "second": [(large, 0.5), (large, 0.91)],
    }
    found = quality_of(tmp_path, dict.fromkeys(persons, noisy), persons)
    assert {key: row["outcome"] for key, row in found.items()} == {
        "good": None,
        "small": "quality:too-small",
        "unsure": "quality:low-score",
        "both": "quality:too-small",
        "second": None,
    }
    assert found["both"]["score"] == pytest.approx(0.99) and found["both"]["side"] == 300
    assert found["unsure"]["side"] is None
    for key, row in found.items():
        whole = packed_key(f"http://a/{key}", (0, 0, 640, 400))
        assert row["sample"] == (whole if row["outcome"] is None else None)


def test_drawings_and_text_go_and_null_looks_for_neither(tmp_path):
    flat = np.full((400, 640, 3), 140, np.uint8)
    grain = np.random.default_rng(0).integers(90, 110, (400, 640, 3)).astype(np.uint8)
    beside = flat.copy()
    beside[:, 320:] = grain[:, 320:]
    box = [[0, 0, 310, 390], 0.95], [[330, 0, 640, 400], 0.95]
    images = {"flat": flat, "grain": grain, "left": beside, "right": beside}
    persons = {"flat": [box[0]], "grain": [box[0]], "left": [box[0]], "right": [box[1]]}
    found = quality_of(tmp_path / "1", images, persons)
    outcomes = {key: row["outcome"] for key, row in found.items()}
    drawn = "quality:drawing"
    assert outcomes == {"flat": drawn, "grain": None, "left": drawn, "right": None}
    found = quality_of(tmp_path / "2", images, persons, min_texture=None, max_text=None)
    assert {row["outcome"] for row in found.values()} == {None}
    assert {row["text"] for row in found.values()} == {row["texture"] for row in found.values()}
    found = quality_of(tmp_path / "3", images, persons, max_text=0, min_texture=0)
    assert {row["outcome"] for row in found.values()} == {None}


def test_filters_get_the_photo_and_all_boxes_in_order(tmp_path):
    (tmp_path / "mine.py").write_text(
        "def watermark(image, row):\n"
        "    assert image.shape == (row['height'], row['width'], 3)\n"
        "    return (False, 'mark') if len(row['boxes']) == len(row['scores']) == 2 else True\n"
    )
    grain = np.random.default_rng(0).integers(90, 110, (400, 640, 3)).astype(np.uint8)
    box = ([0, 0, 310, 390], 0.95)
    download_shard(tmp_path, {"one": jpeg(grain), "two": jpeg(grain)})
    path = tmp_path / "download" / f"{SHARD}.parquet"
    table = pq.read_table(path)
    pq.write_table(table.append_column("url", pa.array(["http://a/1", "http://a/2"])), path)
    made = [{"crop": k, "key": k, "index": 0, "box": box[0], "score": box[1]}
            for k in ("one", "two", "two")]  # fmt: skip
    commit(tmp_path, Given("persons", pa.Table.from_pylist(made, SCHEMA)))
    stage = Quality(QualitySettings())
    stage.filters = CustomFilters([find_filter("mine:watermark", str(tmp_path), {})])
    commit(tmp_path, stage)
    found = {row["key"]: (row["outcome"], row["detail"]) for row in rows(tmp_path, "quality")}
    assert found == {"one": (None, None), "two": ("custom:mark", "mine:watermark")}


def split_row(data, width, height, boxes):
    import hashlib

    return {
        "key": "k", "sample": "s" * 20, "split": "train", "url": "http://a/ü",
        "sha256": hashlib.sha256(data).hexdigest(), "source": "download/x", "offset": 0,
        "length": len(data), "width": width, "height": height,
        "boxes": [v for box in boxes for v in box], "scores": [0.9] * len(boxes),
    }  # fmt: skip


@pytest.mark.parametrize("size", [(64, 64), (48, 64), (200, 32)])
@pytest.mark.parametrize("shape", [(90, 160), (1, 1), (300, 2)])
def test_a_packed_photo_is_the_whole_photo_and_boxes_stay_where_they_were(size, shape):
    rng = np.random.default_rng(3)
    image = rng.integers(0, 256, (*shape, 3)).astype(np.uint8)
    height, width = shape
    box = [0.25 * width, 0.5 * height, 0.75 * width, float(height)]
    stage = PhotoPack(PhotosSettings(size=size, quality=95))
    data = jpeg(image)
    packed = stage.sample(split_row(data, width, height, [box, [0, 0, width, height]]), data)
    shown = decode(packed.picture)
    assert shown.shape == (size[1], size[0], 3)
    expected = Image.fromarray(decode(data)).resize(size, Image.Resampling.BICUBIC)
    assert np.abs(shown.astype(int) - np.asarray(expected)).mean() < 12
    told = json.loads(packed.about)
    half = [0.25 * size[0], 0.5 * size[1], 0.75 * size[0], size[1]]
    assert told["boxes"] == [pytest.approx(half), pytest.approx([0, 0, *size])]
    assert (told["width"], told["height"]) == (width, height) and "person" not in told


def test_a_download_that_has_changed_is_not_packed():
    image = np.zeros((20, 30, 3), np.uint8)
    stage = PhotoPack(PhotosSettings(size=(32, 32)))
    row = split_row(jpeg(image), 30, 20, [])
    with pytest.raises(OSError, match="damaged"):
        stage.sample(row, jpeg(image + 200))
    broken = jpeg(image)[:200]
    with pytest.raises(WebbodyError, match="could be decoded before"):
        stage.sample(split_row(broken, 30, 20, []), broken)
    assert json.loads(photo_json(row, 8, 8))["boxes"] == []


def test_nothing_to_look_at(tmp_path):
    download_shard(tmp_path, {"gone": "download:http-404"})
    commit(tmp_path, Given("persons", SCHEMA.empty_table()))
    record = run_shard(Quality(QualitySettings()), Folder(tmp_path), SHARD, "f", {})
    assert (record.counts["in"], record.counts["out"]) == (0, 0)
