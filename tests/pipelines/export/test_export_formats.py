"""Every format, read back by the tool's own loader."""

import io
import json
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from packed_builds import NAMES, PACKS, PEOPLE
from PIL import Image

from pipelines.export.run import FORMATS, export_build
from webbody import skeleton
from webbody.cli.export import ExportFormat

GOLDEN = Path(__file__).parent / "fiftyone_1_22.json"
COUNTS = {"train": 13, "test": 3}


@pytest.fixture
def exported(packed, tmp_path):
    """Exports in a format; its folder."""

    def export(kind, **options):
        done = export_build(str(packed[0]), kind, str(tmp_path / "out"), **options)
        assert done.samples == COUNTS and done.people == 3 and done.left_out == 0
        return tmp_path / "out"

    return export


def test_the_command_has_every_format():
    assert [kind.value for kind in ExportFormat] == list(FORMATS)


def test_an_image_folder_is_read_by_torchvision(packed, exported):
    from torchvision.datasets import ImageFolder

    out = exported("imagefolder")
    samples = packed[1]
    for split, people in PEOPLE.items():
        found = ImageFolder(out / split)
        assert found.classes == sorted(map(str, people))
        assert len(found) == COUNTS[split]
        for path, number in found.samples:
            key = path.rsplit("/", 1)[1].removesuffix(".jpg")
            assert str(samples[key]["person"]) == found.classes[number]
            with open(path, "rb") as file:
                assert file.read() == samples[key]["picture"]


def test_coco_is_read_by_pycocotools(packed, exported):
    from pycocotools.coco import COCO

    out = exported("coco")
    samples = packed[1]
    for split, count in COUNTS.items():
        coco = COCO(out / "annotations" / f"{split}.json")
        (person,) = coco.loadCats(coco.getCatIds())
        assert person["keypoints"] == list(skeleton.NAMES)
        assert [[a - 1, b - 1] for a, b in person["skeleton"]] == [list(e) for e in skeleton.EDGES]
        images = coco.loadImgs(coco.getImgIds())
        assert len(images) == count
        for image in images:
            truth = samples[image["key"]]
            assert (out / split / image["file_name"]).read_bytes() == truth["picture"]
            assert (image["width"], image["height"]) == (384, 384)
            (one,) = coco.loadAnns(coco.getAnnIds(image["id"]))
            assert one["person"] == truth["person"] and one["category_id"] == person["id"]
            points = np.array(one["keypoints"]).reshape(skeleton.COUNT, 3)
            given = np.array(truth["keypoints"])
            assert np.allclose(points[:, :2], given[:, :2], atol=0.01)
            assert (points[:, 2] == np.where(given[:, 2] > 0, 2, 0)).all()
            assert one["num_keypoints"] == 9
            left, top, width, height = one["bbox"]
            assert max(width, height) == 384 and one["area"] == pytest.approx(width * height)
            # What is outside the box is the white that was put around the crop.
            pixels = np.asarray(Image.open(io.BytesIO(truth["picture"])))
            inside = np.zeros((384, 384), bool)
            inside[int(top) : int(top + height), int(left) : int(left + width)] = True
            assert pixels[inside].max() < 130 and (pixels[~inside] > 130).all()


def test_hugging_face_is_read_by_datasets(packed, exported, tmp_path):
    import datasets

    out = exported("hf")
    assert len(list((out / "data").glob("*.parquet"))) == len(PACKS)
    found = datasets.load_dataset(str(out), cache_dir=str(tmp_path / "cache"))
    assert {split: len(rows) for split, rows in found.items()} == COUNTS
    features = found["train"].features
    assert isinstance(features["image"], datasets.Image)
    assert features["person"] == datasets.Value("int64")
    number = datasets.Value("float32")
    assert features["box"] == datasets.List(number, length=4)
    assert features["keypoints"] == datasets.List(datasets.List(number, length=3), length=19)
    assert not set(features) & {"url", "names"}
    raw = found["train"].cast_column("image", datasets.Image(decode=False))
    for row, shown in zip(raw, found["train"], strict=True):
        truth = packed[1][row["key"]]
        assert row["image"]["bytes"] == truth["picture"]
        assert shown["image"].size == (384, 384)
        assert row["person"] == truth["person"] and row["split"] == "train"
        assert np.allclose(row["keypoints"], truth["keypoints"])
        assert np.allclose(row["box"], truth["box"])
    streamed = datasets.load_dataset(str(out), split="test", streaming=True)
    assert {row["person"] for row in streamed} == set(PEOPLE["test"])
    card = (out / "README.md").read_text("utf-8")
    assert "16 samples of 3 people" in card and "`keypoints`" in card


@pytest.mark.parametrize("images", [False, True])
def test_the_table_is_read_by_arrow_polars_and_duckdb(packed, exported, images):
    path = exported("parquet", with_images=images) / "samples.parquet"
    table = pq.read_table(path)
    assert ("image" in table.column_names) == images
    rows = {row["key"]: row for row in table.to_pylist()}
    assert set(rows) == set(packed[1])
    for key, row in rows.items():
        truth = packed[1][key]
        for same in ("person", "split", "sha256", "width", "height"):
            assert row[same] == truth[same]
        assert np.allclose(row["keypoints"], truth["keypoints"])
        assert not images or row["image"] == truth["picture"]
    frame = pl.read_parquet(path)
    assert frame["keypoints"].to_numpy().shape == (16, 19, 3)
    counts = duckdb.sql(f"select split, count(*) from '{path}' group by split").fetchall()
    assert dict(counts) == COUNTS


def test_lightly_has_a_class_for_each_person(packed, exported):
    out = exported("lightly")
    for split, people in PEOPLE.items():
        told = json.loads((out / f"{split}.json").read_text())
        classes = {one["id"]: one["name"] for one in told["categories"]}
        assert set(classes.values()) >= set(map(str, people))
        images = {one["id"]: one for one in told["images"]}
        assert len(images) == len(told["annotations"]) == COUNTS[split]
        for one in told["annotations"]:
            image = images[one["image_id"]]
            truth = packed[1][image["key"]]
            assert classes[one["category_id"]] == str(truth["person"])
            assert (out / "images" / split / image["file_name"]).read_bytes() == truth["picture"]


def test_lightly_studio_reads_it(exported, monkeypatch, tmp_path):
    monkeypatch.setenv("LIGHTLY_STUDIO_ANALYTICS_ENABLED", "false")
    monkeypatch.chdir(tmp_path)  # where it puts its database
    studio = pytest.importorskip("lightly_studio")
    out = exported("lightly")
    found = studio.ImageDataset.create("exported")
    for split in COUNTS:
        found.add_samples_from_coco(
            out / f"{split}.json", out / "images" / split, split=split,
            embed=False, embed_annotations=False,
        )  # fmt: skip
    samples = list(found)
    assert {split: sum(split in one.tags for one in samples) for split in COUNTS} == COUNTS
    labels = {note.class_name for one in samples for note in one.annotations}
    assert labels == {str(person) for people in PEOPLE.values() for person in people}


def test_fiftyone_has_the_fields_that_fiftyone_itself_writes(exported):
    """The golden file is what FiftyOne 1.22 wrote of a data set with the same fields."""
    golden = json.loads(GOLDEN.read_text())
    out = exported("fiftyone", with_names=True)
    told = json.loads((out / "metadata.json").read_text())

    def check(own, theirs):
        assert own and {one["name"] for one in own} <= set(theirs)
        for one in own:
            other = theirs[one["name"]]
            for same in ("ftype", "embedded_doc_type", "subfield", "db_field"):
                assert one[same] == other[same], one["name"]
            if one["fields"]:
                check(one["fields"], other["fields"])

    check(told["sample_fields"], golden["fields"])
    assert {one["name"] for one in told["sample_fields"]} == set(golden["fields"])
    samples = json.loads((out / "samples.json").read_text())["samples"]
    assert len({one["_id"]["$oid"] for one in samples}) == 16
    own = {"created_at", "last_modified_at", "_dataset_id"}  # which it gives as it reads
    for one in samples:
        assert set(one) == set(golden["sample"]) - own
        for label in ("person", "boxes", "keypoints", "metadata"):
            assert one[label]["_cls"] == golden["sample"][label]["_cls"]
    absent = samples[0]["keypoints"]["keypoints"][0]["points"][-1]
    assert absent == [{"$numberDouble": "NaN"}] * 2


def test_fiftyone_reads_it(packed, exported):
    fiftyone = pytest.importorskip("fiftyone_in_memory").fiftyone()
    out = exported("fiftyone", with_names=True)
    found = fiftyone.Dataset.from_dir(
        dataset_dir=str(out), dataset_type=fiftyone.types.FiftyOneDataset
    )
    assert found.count_values("tags") == COUNTS
    assert found.default_skeleton.labels == list(skeleton.NAMES)
    assert found.default_skeleton.edges == [list(edge) for edge in skeleton.EDGES]
    for sample in found:
        truth = packed[1][sample.key]
        with open(sample.filepath, "rb") as file:
            assert file.read() == truth["picture"]
        assert sample.person.label == str(truth["person"])
        (points,) = sample.keypoints.keypoints
        assert isinstance(points, fiftyone.Keypoint)
        given = np.array(truth["keypoints"])
        assert np.allclose(np.array(points.points)[:9], given[:9, :2] / 384, atol=1e-4)
        assert np.isnan(np.array(points.points)[9:]).all()
        assert sample.boxes.detections[0].label == str(truth["person"])
        assert sample.url == truth["url"] and sample.names == NAMES[truth["person"]]
