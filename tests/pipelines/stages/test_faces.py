"""The faces stage with the demo's detector and embedder."""

import numpy as np
import pyarrow as pa
import pytest
from made_stages import with_settings
from magenta_detector import export, picture
from photo_shards import SHARD, Given, commit, demo_model, persons_shard, photos, rgb, rows

from pipelines.base.stage import Inputs
from pipelines.detection.face_detection import FaceDetector
from pipelines.detection.upper_body import upper_body
from pipelines.identity.features import EMBEDDER, feature_type, from_column
from pipelines.stages.faces import Faces
from pipelines.stages.persons import SCHEMA
from webbody.errors import WebbodyError
from webbody.images import encode_jpeg
from webbody.models import digest
from webbody.skeleton import COCO17
from webbody.storage import Folder

SETTINGS = {
    "detector": demo_model("faces.onnx"),
    "detector_size": 320,
    "embedder": demo_model("embedder.pt"),
    "min_score": 0.4,
    "min_size": 16,
    "device": "cpu",
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished shard of drawn people, and the persons' rows with the truth."""
    out = tmp_path_factory.mktemp("faces")
    truth = persons_shard(out, photos(16))
    commit(out, with_settings(Faces, **SETTINGS))
    return out, truth


@pytest.fixture(scope="module")
def detector():
    return FaceDetector(demo_model("faces.onnx"), 320, 0.3, "cpu", 1)


@pytest.fixture(scope="module")
def heads():
    """The upper bodies of drawn people."""
    out = []
    for photo in photos(12, seed=5):
        for figure in photo.figures:
            points = figure.keypoints[COCO17].astype(np.float32)
            points[:, 2] = points[:, 2] == 2
            (x1, y1, x2, y2), found = upper_body(points, photo.image.shape[1], photo.image.shape[0])
            if found:
                out.append(rgb(photo)[y1:y2, x1:x2])
    return out


def test_a_row_for_every_crop(finished):
    out, truth = finished
    table = Inputs(Folder(out), SHARD).table("faces")
    assert table.column("crop").to_pylist() == [row["crop"] for row in truth]
    assert table.schema.field("feature").type == feature_type(512)
    assert table.schema.field("norm").type == pa.float32()
    assert table.schema.metadata[EMBEDDER].decode() == digest(demo_model("embedder.pt"))
    for row in table.to_pylist():
        assert (row["feature"] is None) == (row["norm"] is None) == (row["outcome"] is not None)
        if row["outcome"] is None:
            assert row["score"] >= 0.4 and len(row["landmarks"]) == 10


def test_features_are_raw_and_their_norm_is_kept(finished):
    table = Inputs(Folder(finished[0]), SHARD).table("faces")
    good = table.filter(pa.compute.is_null(table["outcome"]))
    features = from_column(good["feature"])
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), good["norm"].to_numpy(), rtol=5e-3)


def test_faces_are_where_they_were_drawn(finished):
    out, truth = finished
    near = []
    for row, person in zip(rows(out, "faces"), truth, strict=True):
        face = person["figure"].face
        if row["outcome"] is None and face is not None:
            marks = np.reshape(row["landmarks"], (5, 2)) + person["area"][:2]
            size = np.max(face.box[2:] - face.box[:2])
            near.append(np.linalg.norm(marks - face.landmarks, axis=1).mean() / size < 0.25)
    assert len(near) >= 8 and np.mean(near) > 0.7


def test_tiles_on_a_canvas_find_what_single_pictures_find(detector, heads):
    together = detector(heads)
    same = 0
    for head, faces in zip(heads, together, strict=True):
        alone = detector([head])[0]
        if len(alone.boxes) == 0 or len(faces.boxes) == 0:
            same += len(alone.boxes) == len(faces.boxes)
            continue
        # The best face; doubtful ones near the floor come and go with a neighbour's pixels.
        one, other = int(alone.scores.argmax()), int(faces.scores.argmax())
        side = max(1.0, float((alone.boxes[one, 2:] - alone.boxes[one, :2]).max()))
        away = float(np.abs(alone.landmarks[one] - faces.landmarks[other]).max()) / side
        same += away < 0.1
    assert same / len(heads) >= 0.95


def test_faces_stay_in_their_tiles(detector, heads):
    for head, faces in zip(heads, detector(heads), strict=True):
        centres = faces.boxes.reshape(-1, 2, 2).mean(1)
        assert (centres >= 0).all()
        assert (centres <= np.array(head.shape[1::-1]) + 16).all()


def squares_shard(out, **crops: bytes) -> None:
    """A persons shard of hand-made crops of 150 x 150 px, for the detector of magenta squares."""
    row = {"key": "k", "index": 0, "area": [0, 0, 150, 150], "box": [0, 0, 150, 150]}
    row |= {"keypoints": [0.0] * 51, "width": 150, "height": 150}
    made = [{**row, "crop": crop} for crop in crops]
    made.append({"crop": "none", "key": "none", "index": -1, "outcome": "person:none"})
    schema = pa.schema([field for field in SCHEMA if field.name not in ("offset", "length")])
    members = {f"{crop}.jpg": data for crop, data in crops.items()}
    commit(out, Given("persons", pa.Table.from_pylist(made, schema=schema), members))


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        ({}, None),
        ({"min_score": 0.9999}, "face:low-score"),
        ({"min_size": 30}, "face:too-small"),
    ],
)
def test_outcomes_of_faces(tmp_path, change, outcome):
    face = encode_jpeg(picture(150, 150, (60, 72)), 95)
    grey = encode_jpeg(picture(150, 150, None), 95)
    squares_shard(tmp_path, face=face, grey=grey, cut=face[: len(face) // 2])
    detector = export(tmp_path / "magenta.onnx")
    commit(tmp_path, with_settings(Faces, **{**SETTINGS, "detector": detector, **change}))
    found = {row["crop"]: row for row in rows(tmp_path, "faces")}
    outcomes = {crop: row["outcome"] for crop, row in found.items()}
    assert outcomes == {"face": outcome, "grey": "face:none", "cut": "image:truncated"}
    box = np.array(found["face"]["box"])
    np.testing.assert_allclose(box, [48, 60, 72, 84], atol=6)
    assert found["grey"]["box"] is None and found["cut"]["detail"]
    assert (found["face"]["feature"] is None) == (outcome is not None)


def test_the_batch_changes_nothing(tmp_path):
    tables = []
    for batch in (1, 32):
        out = tmp_path / str(batch)
        persons_shard(out, photos(6))
        commit(out, with_settings(Faces, **SETTINGS, batch=batch))
        tables.append(Inputs(Folder(out), SHARD).table("faces"))
    assert tables[0].drop(["feature", "norm"]).equals(tables[1].drop(["feature", "norm"]))
    a, b = (table["norm"].to_numpy() for table in tables)
    np.testing.assert_allclose(a, b, rtol=1e-3)


def test_wrong_files_are_told(tmp_path):
    (tmp_path / "faces.onnx").write_bytes(b"<html>")
    for path in (tmp_path / "faces.onnx", tmp_path / "missing.onnx", demo_model("keypoints.onnx")):
        with pytest.raises(WebbodyError, match=r"\.onnx"):
            with_settings(Faces, **{**SETTINGS, "detector": str(path)})
