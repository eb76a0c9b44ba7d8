"""The keypoints stage with the demo's whole-body model and hand-made body models, by rtmlib."""

import numpy as np
import pyarrow as pa
import pytest
import torch
from photo_shards import SHARD, Given, commit, demo_model, persons_shard, photos, rows

from pipelines.engine.stage import Inputs
from pipelines.keypoints import SCHEMA, Keypoints
from pipelines.vision.keypoint_detection import KeypointDetector
from webbody.errors import WebbodyError
from webbody.images import decode
from webbody.shards import MemberReader
from webbody.skeleton import FACE
from webbody.storage import Folder

SETTINGS = {
    "model": demo_model("keypoints.onnx"),
    "input_size": (192, 256),
    "min_score": 0.3,
    "device": "cpu",
}


def kept_shard(out, pictures) -> list[dict]:
    """A persons shard whose every third crop was dropped, with its faces and identities."""
    truth = persons_shard(out, pictures)
    crops, keys = [row["crop"] for row in truth], [row["key"] for row in truth]
    landmarks = [np.arange(10, dtype=np.float32) + 20 for _ in truth]
    faces = {"crop": crops, "landmarks": landmarks, "score": [0.9] * len(crops)}
    commit(out, Given("faces", pa.table(faces)))
    dropped = ["identity:ambiguous" if i % 3 == 2 else None for i in range(len(crops))]
    persons = [None if outcome else 7 + i for i, outcome in enumerate(dropped)]
    identities = {
        "crop": crops,
        "key": keys,
        "person": pa.array(persons, pa.int64()),
        "outcome": pa.array(dropped, pa.string()),
    }
    # Rows may come in any order: the stage keeps that of the persons' table.
    commit(out, Given("identities", pa.table(identities).take(list(reversed(range(len(crops)))))))
    return [row for row, outcome in zip(truth, dropped, strict=True) if outcome is None]


def simcc(path, points: int, batch: str = "free", size=(192, 256)) -> str:
    """A SimCC file with random weights."""

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.pool = torch.nn.AdaptiveAvgPool2d((8, 6))
            self.x = torch.nn.Linear(144, points * size[0] * 2)
            self.y = torch.nn.Linear(144, points * size[1] * 2)

        def forward(self, image):
            features = self.pool(image).flatten(1)
            return (
                self.x(features).reshape(-1, points, size[0] * 2).sigmoid(),
                self.y(features).reshape(-1, points, size[1] * 2).sigmoid(),
            )

    torch.manual_seed(0)
    axes = {"input": {0: "batch"}} if batch == "free" else {}
    torch.onnx.export(
        Network().eval(), (torch.zeros(1, 3, size[1], size[0]),), str(path),
        input_names=["input"], output_names=["x", "y"], dynamic_axes=axes,
        opset_version=12, dynamo=False,
    )  # fmt: skip
    return str(path)


def test_every_kept_crop_gets_nineteen_points(tmp_path):
    kept = kept_shard(tmp_path, photos(8))
    commit(tmp_path, Keypoints(**SETTINGS))
    table = Inputs(Folder(tmp_path), SHARD).table("keypoints")
    assert table.schema.equals(SCHEMA)
    assert table.column("crop").to_pylist() == [row["crop"] for row in kept]
    assert table.column("person").null_count == 0
    for row, person in zip(table.to_pylist(), kept, strict=True):
        points, scores = np.reshape(row["keypoints"], (19, 3)), np.array(row["scores"])
        assert len(scores) == 19
        assert set(points[:, 2]) <= {0.0, 1.0}
        assert (points[points[:, 2] == 0] == 0).all()
        seen = points[points[:, 2] == 1]
        assert (seen[:, 0] < person["width"]).all() and (seen[:, 1] < person["height"]).all()
        assert (scores[points[:, 2] == 1] >= 0.3 - 1e-6).all()


def test_points_are_where_they_were_drawn(tmp_path):
    kept = kept_shard(tmp_path, photos(8))
    commit(tmp_path, Keypoints(**SETTINGS))
    near = []
    for row, person in zip(rows(tmp_path, "keypoints"), kept, strict=True):
        points = np.reshape(row["keypoints"], (19, 3))
        truth = person["figure"].keypoints - [*person["area"][:2], 0]
        both = (points[:, 2] == 1) & (truth[:, 2] == 2)
        away = np.linalg.norm(points[:, :2] - truth[:, :2], axis=1)[both]
        near += list(away < 0.15 * np.sqrt(person["width"] * person["height"]))
    assert len(near) > 30 and np.mean(near) > 0.6


@pytest.mark.parametrize(("points", "batch"), [(133, "free"), (17, "free"), (17, "one")])
def test_a_batch_gives_what_rtmlib_gives_one_by_one(tmp_path, points, batch):
    from rtmlib import RTMPose

    model = simcc(tmp_path / "model.onnx", points, batch)
    truth = persons_shard(tmp_path, photos(4))
    with MemberReader(Folder(tmp_path), f"persons/{SHARD}.tar") as tar:
        places = rows(tmp_path, "persons")
        crops = [decode(tar.read(row["offset"], row["length"])) for row in places]
    boxes = [np.array(row["box"]) - [*row["area"][:2]] * 2 for row in truth]
    found, scores = KeypointDetector(model, (192, 256), "cpu", 3, 1)(crops, boxes)
    assert found.shape == (len(crops), points, 2) and scores.shape == (len(crops), points)
    library = RTMPose(model, (192, 256))
    for index, (crop, box) in enumerate(zip(crops, boxes, strict=True)):
        theirs = library(np.ascontiguousarray(crop[..., ::-1]), [box])
        # The last digit may turn the place of a peak by a bin; never the height of it.
        np.testing.assert_allclose(scores[index], theirs[1][0], atol=1e-4)
        assert np.mean(np.abs(found[index] - theirs[0][0]) < 0.1) > 0.98


def test_a_body_model_takes_the_mouth_from_the_face(tmp_path):
    kept_shard(tmp_path, photos(3))
    model = simcc(tmp_path / "body.onnx", 17)
    commit(tmp_path, Keypoints(**{**SETTINGS, "model": model, "min_score": 0.0}))
    for row in rows(tmp_path, "keypoints"):
        points = np.reshape(row["keypoints"], (19, 3))
        np.testing.assert_array_equal(points[3], [28, 29, 1])  # left mouth: the image's right
        np.testing.assert_array_equal(points[4], [26, 27, 1])
        np.testing.assert_allclose(np.array(row["scores"])[list(FACE)], 0.9)


def test_uncertain_points_are_absent(tmp_path):
    kept_shard(tmp_path, photos(2))
    commit(tmp_path, Keypoints(**{**SETTINGS, "min_score": 1.0}))
    assert all(not np.any(row["keypoints"]) for row in rows(tmp_path, "keypoints"))


def test_the_batch_changes_nothing_but_the_last_digits(tmp_path):
    tables = []
    for batch in (1, 16):
        kept_shard(tmp_path / str(batch), photos(5))
        commit(tmp_path / str(batch), Keypoints(**SETTINGS, batch=batch))
        tables.append([row["scores"] for row in rows(tmp_path / str(batch), "keypoints")])
    np.testing.assert_allclose(*tables, atol=1e-4)


def test_a_damaged_crop_is_told_and_the_rest_goes_on(tmp_path):
    truth = kept_shard(tmp_path, photos(3))
    path = tmp_path / "persons" / f"{SHARD}.tar"
    first = next(row for row in rows(tmp_path, "persons") if row["crop"] == truth[0]["crop"])
    with path.open("r+b") as file:
        file.seek(first["offset"])
        file.write(bytes(first["length"]))
    commit(tmp_path, Keypoints(**SETTINGS))
    outcomes = [row["outcome"] for row in rows(tmp_path, "keypoints")]
    assert outcomes[0].startswith("image:") and set(outcomes[1:]) == {None}


def test_nothing_kept(tmp_path):
    persons_shard(tmp_path, photos(1))
    none = pa.array([], pa.string())
    commit(tmp_path, Given("faces", pa.table({"crop": none, "landmarks": none, "score": none})))
    empty = {"crop": none, "person": pa.array([], pa.int64()), "outcome": none}
    commit(tmp_path, Given("identities", pa.table(empty)))
    commit(tmp_path, Keypoints(**SETTINGS))
    assert rows(tmp_path, "keypoints") == []


def test_wrong_files_and_sizes_are_told(tmp_path):
    with pytest.raises(WebbodyError, match="input_size"):
        Keypoints(**{**SETTINGS, "input_size": (288, 384)})
    with pytest.raises(WebbodyError, match="outputs"):
        Keypoints(**{**SETTINGS, "model": demo_model("faces.onnx")})
    with pytest.raises(WebbodyError, match="21 keypoints"):
        Keypoints(**{**SETTINGS, "model": simcc(tmp_path / "hand.onnx", 21)})
