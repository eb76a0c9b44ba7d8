"""Pack: samples that WebDataset and Hugging Face read as they are."""

import hashlib
import io
import json

import numpy as np
import pytest
from made_build import make_build
from made_segmentation import segmentation
from made_stages import with_settings
from made_tables import run, table
from PIL import Image

from model.sapiens.prediction import Predictor
from model.sapiens.saved import load
from pipelines.engine.graph import FROM_NAMES, FROM_RELEASE, tasks
from pipelines.stages.pack import Pack, write_index
from pipelines.stages.split import Split
from webbody import models
from webbody.commit import fingerprint
from webbody.config import BuildConfig, PackSettings
from webbody.errors import WebbodyError
from webbody.images import decode, letterbox
from webbody.sample_keys import packed_key
from webbody.shards import MemberReader, read_members

SIZE = 48
SHARDS = ["00000000", "00000001", "00000002"]


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """Folder, rows of the crops by packed key, names of the output shards."""
    folder, rows = make_build(tmp_path_factory.mktemp("build"), {0: 9, 1: 7, 2: 8, 3: 6})
    stage = with_settings(
        Split,
        test_people=1,
        test_images=(8, 9),
        test_body_images=(1, 9),
        seed=3,
        samples_per_shard=9,
    )
    record = run(stage, folder, "all", SHARDS)
    names = sorted(n.removesuffix(".parquet") for n in record.outputs if "-" in n)
    for name in names:
        run(with_settings(Pack, size=SIZE, quality=90), folder, name)
    return folder, {packed_key(row["url"], row["area"]): row for row in rows}, names


def samples(folder, name):
    """Members of a shard by key and suffix."""
    out: dict[str, dict[str, bytes]] = {}
    with folder.open(f"pack/{name}.tar") as file:
        for member, data in read_members(file):
            crop, _, suffix = member.partition(".")
            out.setdefault(crop, {})[suffix] = data
    return out


def test_members(build):
    folder, rows, names = build
    seen = set()
    for name in names:
        order = table(folder, f"split/{name}.parquet")["sample"].to_pylist()
        packed = samples(folder, name)
        assert list(packed) == order
        for crop, members in packed.items():
            row = rows[crop]
            assert list(members) == ["jpg", "cls", "json"]
            assert int(members["cls"]) == row["person"]
            sample = json.loads(members["json"])
            assert set(sample) == {
                "key", "person", "split", "url", "sha256", "box", "width", "height", "keypoints",
            }  # fmt: skip
            assert sample["key"] == crop
            assert sample["url"] == row["url"]
            assert sample["split"] == name.split("-")[0]
            np.testing.assert_allclose(
                sample["box"], np.array(row["area"]) / [100, 80, 100, 80], atol=1e-6
            )
            seen.add(crop)
    assert seen == set(rows)


def test_picture_and_keypoints_lie_on_white(build):
    folder, rows, names = build
    for crop, members in samples(folder, names[0]).items():
        row = rows[crop]
        image = np.asarray(Image.open(io.BytesIO(members["jpg"])))
        assert image.shape == (SIZE, SIZE, 3)
        scale = SIZE / max(row["width"], row["height"])
        np.testing.assert_allclose(image[SIZE // 2, SIZE // 2], row["colour"], atol=8)
        if min(row["width"], row["height"]) * scale < SIZE - 12:
            assert image[0, 0].min() > 245
        points = np.array(json.loads(members["json"])["keypoints"])
        nose = points[0, :2] - (SIZE - np.array([row["width"], row["height"]]) * scale) / 2
        expected = np.array([row["width"] / 2, row["height"] / 4]) * scale
        np.testing.assert_allclose(nose, expected, atol=1)
        assert (points[row["keypoints"].reshape(19, 3)[:, 2] == 0] == 0).all()


def test_the_index_finds_the_pictures(build):
    folder, _, names = build
    packed = samples(folder, names[0])
    index = table(folder, f"pack/{names[0]}.parquet").to_pylist()
    assert [row["key"] for row in index] == list(packed)
    with MemberReader(folder, f"pack/{names[0]}.tar") as tar:
        for row in index:
            data = tar.read(row["offset"], row["length"])
            assert data == packed[row["key"]]["jpg"]
            assert row["sha256"] == hashlib.sha256(data).hexdigest()


def test_same_bytes_again_and_with_threads(build):
    folder, _, names = build
    before = folder.read(f"pack/{names[0]}.tar")
    run(with_settings(Pack, size=SIZE, quality=90, threads=3), folder, names[0])
    assert folder.read(f"pack/{names[0]}.tar") == before


def test_plain_webdataset_reads_it(build):
    import webdataset as wds

    folder, rows, names = build
    files = [folder.path(f"pack/{name}.tar") for name in names]
    data = wds.WebDataset(files, shardshuffle=False).decode("pil").to_tuple("jpg", "cls", "json")
    found = list(data)
    assert len(found) == len(rows)
    for image, person, sample in found:
        assert image.size == (SIZE, SIZE)
        assert person == sample["person"] == rows[sample["key"]]["person"]


def test_hugging_face_reads_it(build, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    folder, rows, names = build
    files = {
        kind: [folder.path(f"pack/{name}.tar") for name in names if name.startswith(kind)]
        for kind in ("train", "test")
    }
    data = datasets.load_dataset("webdataset", data_files=files, cache_dir=str(tmp_path))
    assert sum(len(part) for part in data.values()) == len(rows)
    row = data["train"][0]
    assert row["jpg"].size == (SIZE, SIZE)
    assert row["cls"] == row["json"]["person"] == rows[row["__key__"]]["person"]
    assert len(row["json"]["keypoints"]) == 19


def test_index_of_the_data_set(build):
    folder, rows, _names = build
    write_index(folder)
    index = json.loads(folder.read("pack/index.json"))
    assert sum(split["samples"] for split in index["splits"].values()) == len(rows)
    assert index["splits"]["test"]["people"] == 1
    assert index["splits"]["train"]["people"] == 3
    shard = index["splits"]["train"]["shards"][0]
    assert shard["name"].startswith("train-0000")
    assert shard["sha256"] == hashlib.sha256(folder.read(f"pack/{shard['name']}")).hexdigest()


def test_a_changed_source_is_noticed(tmp_path):
    folder, _ = make_build(tmp_path, {0: 3}, shards=1)
    stage = with_settings(
        Split,
        test_people=0,
        test_images=(1, 1),
        test_body_images=(1, 1),
        seed=0,
        samples_per_shard=9,
    )
    run(stage, folder, "all", SHARDS[:1])
    data = bytearray(folder.read("persons/00000000.tar"))
    data[600] ^= 1
    folder.write_bytes("persons/00000000.tar", bytes(data))
    with pytest.raises(WebbodyError, match=r"00000000\.tar has changed .* remove the file"):
        run(with_settings(Pack, size=SIZE, quality=90), folder, "train-000000")
    with pytest.raises(WebbodyError, match="train-000000"):
        write_index(folder)


def packed_with(build, model, **resources):
    """The foregrounds of a shard's samples by key; all else in them is as without any."""
    folder, _, names = build
    plain = samples(folder, names[0])
    how = {"size": SIZE, "quality": 90}
    run(with_settings(Pack, foreground=model, **how, **resources), folder, names[0])
    found = samples(folder, names[0])
    index = table(folder, f"pack/{names[0]}.parquet").to_pylist()
    with MemberReader(folder, f"pack/{names[0]}.tar") as tar:
        pictures = [tar.read(row["offset"], row["length"]) for row in index]
    run(with_settings(Pack, **how), folder, names[0])
    assert list(found) == list(plain)
    assert pictures == [members["jpg"] for members in plain.values()]
    masks = {}
    for key, members in found.items():
        assert list(members) == ["jpg", "foreground.png", "cls", "json"]
        assert {name: members[name] for name in plain[key]} == plain[key]
        masks[key] = np.asarray(Image.open(io.BytesIO(members["foreground.png"])))
    return masks


def inside(row):
    """Where the final square shows the picture."""
    square, *_ = letterbox(np.zeros((row["height"], row["width"], 3), np.uint8), SIZE)
    return (square == 0).all(-1)


@pytest.mark.parametrize("everywhere", [0, 3])
def test_the_foreground_is_what_is_no_background_and_the_white_around_is(
    build, everywhere, tmp_path
):
    masks = packed_with(build, segmentation(tmp_path, everywhere))
    for key, mask in masks.items():
        assert mask.dtype == np.uint8 and mask.shape == (SIZE, SIZE)
        expected = inside(build[1][key]) if everywhere else np.zeros((SIZE, SIZE), bool)
        np.testing.assert_array_equal(mask, np.where(expected, 255, 0))


@pytest.mark.parametrize("resources", [{}, {"batch": 2, "threads": 3}])
def test_the_foreground_is_found_in_the_final_square(build, resources, tmp_path):
    folder, rows, names = build
    path = segmentation(tmp_path)
    masks = packed_with(build, path, **resources)
    split = table(folder, f"split/{names[0]}.parquet").to_pylist()
    person = 0
    for row in split:
        with MemberReader(folder, f"{row['source']}.tar") as tar:
            crop = decode(tar.read(row["offset"], row["length"]), 10_000)
        (parts,) = Predictor(load(path)).parts([letterbox(crop, SIZE)[0]])
        expected = (parts > 0) & inside(rows[row["sample"]])
        np.testing.assert_array_equal(masks[row["sample"]] > 0, expected)
        person += expected.mean() / len(split)
    assert 0.02 < person < 0.98


def test_fingerprints_know_the_foregrounds_model_by_its_content(tmp_path):
    """And without one they are those of folders from before it could be set."""
    plain = BuildConfig()
    for graph in (FROM_NAMES, FROM_RELEASE):
        task = tasks(plain, {}, graph=graph)["pack"]
        assert task.fingerprint == fingerprint({"size": 384, "quality": 90}, 2)
    found = set()
    for number in (1, 1, 2):
        path = segmentation(tmp_path / str(len(found)), number)
        config = BuildConfig(pack=PackSettings(foreground=path))
        task = tasks(config, {"pack.foreground": (path, models.digest(path))})["pack"]
        assert task.settings.foreground == path
        found.add(task.fingerprint)
    assert len(found) == 2


def test_a_foreground_model_that_is_none_is_told(tmp_path):
    with pytest.raises(WebbodyError, match="is a Sapiens model for depth, not for segmentation"):
        with_settings(Pack, foreground=segmentation(tmp_path / "depth", task="depth"))
    with pytest.raises(WebbodyError, match=r"gone\.pth: there is no such file; give the path of"):
        with_settings(Pack, foreground=str(tmp_path / "gone.pth"))
    other = tmp_path / "other.onnx"
    other.write_bytes(b"")
    with pytest.raises(WebbodyError, match="a segmentation model is a"):
        with_settings(Pack, foreground=str(other))
