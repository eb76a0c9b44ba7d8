"""The keypoints stage with the demo's whole-body model and hand-made body models, by rtmlib."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from made_stages import with_settings
from photo_shards import SHARD, Given, commit, demo_model, persons_shard, photos, rows
from simcc_files import given_outputs, random_simcc

from pipelines.base.stage import Inputs
from pipelines.detection.keypoint_detection import KeypointDetector
from pipelines.detection.simcc import SOFTMAX
from pipelines.stages.keypoints import SCHEMA, Keypoints
from webbody.config import load
from webbody.demo.train_models.twin import rescale
from webbody.errors import WebbodyError
from webbody.images import decode
from webbody.shards import MemberReader
from webbody.skeleton import FACE, WHOLEBODY133
from webbody.storage import Folder

SETTINGS = {
    "model": demo_model("keypoints.onnx"),
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


def own_crops(out, pictures) -> tuple[list, list]:
    """Decoded crops of a persons shard and the boxes of the persons in them."""
    truth = persons_shard(out, pictures)
    with MemberReader(Folder(out), f"persons/{SHARD}.tar") as tar:
        places = rows(out, "persons")
        crops = [decode(tar.read(row["offset"], row["length"])) for row in places]
    return crops, [np.array(row["box"]) - [*row["area"][:2]] * 2 for row in truth]


def detector(model: str, **settings) -> KeypointDetector:
    values = {"input_size": None, "device": "cpu", "batch": 3, "threads": 1, **settings}
    return KeypointDetector(model, **values)


def peaks(points: int, height: float, size=(192, 256)) -> list[np.ndarray]:
    """The logits of points that a model is sure of, as its training shapes them."""
    shapes = []
    for side in size:
        away = np.arange(2 * side) - side
        shape = height * np.exp(-(away**2) / (2 * side / 8))
        shapes.append(np.tile(shape, (1, points, 1)).astype(np.float32))
    return shapes


def test_every_kept_crop_gets_nineteen_points(tmp_path):
    kept = kept_shard(tmp_path, photos(8))
    commit(tmp_path, with_settings(Keypoints, **SETTINGS))
    table = Inputs(Folder(tmp_path), SHARD).table("keypoints")
    assert table.schema.equals(SCHEMA)
    assert table.schema.metadata[SOFTMAX] == b"beta 10, told from the file's outputs"
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
    commit(tmp_path, with_settings(Keypoints, **SETTINGS))
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

    model = random_simcc(tmp_path / "model.onnx", points, batch)
    crops, boxes = own_crops(tmp_path, photos(4))
    found, scores = detector(model)(crops, boxes)
    wanted = WHOLEBODY133 if points == 133 else np.arange(17)
    assert found.shape == (len(crops), len(wanted), 2) and scores.shape == found.shape[:2]
    library = RTMPose(model, (192, 256))
    for index, (crop, box) in enumerate(zip(crops, boxes, strict=True)):
        theirs = library(crop, [box])[0][0, wanted]
        # The last digit may turn the place of a peak by a bin.
        assert np.mean(np.abs(found[index] - theirs) < 0.1) > 0.98


def test_colours_go_in_as_rgb(tmp_path):
    """Red is 2.25 in the first channel, (255 - 123.675) / 58.395; swapped it would be -2.12."""
    shapes = [np.zeros((1, 17, bins), np.float32) for bins in (384, 512)]
    for shape in shapes:
        shape[..., 100], shape[..., 200] = 1, -1
    model = given_outputs(tmp_path / "first.onnx", *shapes, by_channel=True)
    crop = np.zeros((400, 400, 3), np.uint8)
    crop[..., 0] = 255
    found, scores = detector(model, beta=10)([crop], [(150, 150, 250, 250)])
    assert found[0] == pytest.approx(np.tile([170.05, 149.22], (17, 1)), abs=0.01)
    # A softmax over ten times 2.25, in one bin.
    assert scores == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("level", [5.5, 2.0, 0.5])
def test_scores_that_say_nothing_make_nothing_visible(tmp_path, level):
    flat = [np.full((1, 133, bins), level, np.float32) for bins in (384, 512)]
    kept_shard(tmp_path, photos(1))
    model = given_outputs(tmp_path / "flat.onnx", *flat)
    commit(tmp_path, with_settings(Keypoints, **{**SETTINGS, "model": model}))
    assert all(not np.any(row["keypoints"]) for row in rows(tmp_path, "keypoints"))


@pytest.mark.parametrize(("beta", "seen"), [(10.0, 0.5), (1.0, 5.0)])
def test_the_same_certainty_at_either_scale(tmp_path, beta, seen):
    crop = np.zeros((256, 192, 3), np.uint8)
    scores = []
    for height in (seen, 0.4 * seen):
        model = given_outputs(tmp_path / "peaks.onnx", *peaks(133, height))
        told = detector(model, beta=None if height == seen else beta)
        assert told.beta == beta
        scores.append(told([crop], [(0, 0, 192, 256)])[1])
    assert scores[0] == pytest.approx(0.69, abs=0.01)
    assert scores[1] == pytest.approx(0.17, abs=0.01)


def test_the_demos_model_and_its_twin_of_beta_1_see_the_same(tmp_path):
    crops, boxes = own_crops(tmp_path, photos(12))
    model = demo_model("keypoints.onnx")
    one = detector(model)
    other = detector(str(rescale(Path(model), tmp_path / "twin.onnx", 10)))
    assert (one.beta, other.beta) == (10, 1)
    (points, scores), (same, others) = (each(crops, boxes) for each in (one, other))
    seen = scores >= SETTINGS["min_score"]
    assert 0.3 < seen.mean() < 0.95
    assert np.mean(seen == (others >= SETTINGS["min_score"])) >= 0.99
    assert np.mean(np.abs(points - same).max(-1) < 0.1) >= 0.99


def test_a_body_model_takes_the_mouth_from_the_face(tmp_path):
    kept_shard(tmp_path, photos(3))
    model = random_simcc(tmp_path / "body.onnx", 17)
    commit(tmp_path, with_settings(Keypoints, **{**SETTINGS, "model": model, "min_score": 0.0}))
    for row in rows(tmp_path, "keypoints"):
        points = np.reshape(row["keypoints"], (19, 3))
        np.testing.assert_array_equal(points[3], [28, 29, 1])  # left mouth: the image's right
        np.testing.assert_array_equal(points[4], [26, 27, 1])
        np.testing.assert_allclose(np.array(row["scores"])[list(FACE)], 0.9)


def test_uncertain_points_are_absent(tmp_path):
    kept_shard(tmp_path, photos(2))
    commit(tmp_path, with_settings(Keypoints, **{**SETTINGS, "min_score": 1.0}))
    assert all(not np.any(row["keypoints"]) for row in rows(tmp_path, "keypoints"))


def test_the_batch_changes_nothing_but_the_last_digits(tmp_path):
    tables = []
    for batch in (1, 16):
        kept_shard(tmp_path / str(batch), photos(5))
        commit(tmp_path / str(batch), with_settings(Keypoints, **SETTINGS, batch=batch))
        tables.append([row["scores"] for row in rows(tmp_path / str(batch), "keypoints")])
    np.testing.assert_allclose(*tables, atol=1e-4)


def test_a_damaged_crop_is_told_and_the_rest_goes_on(tmp_path):
    truth = kept_shard(tmp_path, photos(3))
    path = tmp_path / "persons" / f"{SHARD}.tar"
    first = next(row for row in rows(tmp_path, "persons") if row["crop"] == truth[0]["crop"])
    with path.open("r+b") as file:
        file.seek(first["offset"])
        file.write(bytes(first["length"]))
    commit(tmp_path, with_settings(Keypoints, **SETTINGS))
    outcomes = [row["outcome"] for row in rows(tmp_path, "keypoints")]
    assert outcomes[0].startswith("image:") and set(outcomes[1:]) == {None}


def test_nothing_kept(tmp_path):
    persons_shard(tmp_path, photos(1))
    none = pa.array([], pa.string())
    commit(tmp_path, Given("faces", pa.table({"crop": none, "landmarks": none, "score": none})))
    empty = {"crop": none, "person": pa.array([], pa.int64()), "outcome": none}
    commit(tmp_path, Given("identities", pa.table(empty)))
    commit(tmp_path, with_settings(Keypoints, **SETTINGS))
    assert rows(tmp_path, "keypoints") == []


def zeros(*shapes) -> list[np.ndarray]:
    return [np.zeros(shape, np.float32) for shape in shapes]


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        (zeros((1, 17, 64, 48)), "gives heatmaps"),
        (zeros((1, 17, 384)), "has 1 output,"),
        (zeros((1, 17, 384), (1, 17, 512), (1, 17, 384)), "has 3 outputs"),
        (zeros((1, 17, 384), (1, 17)), "have 3 and 2 axes"),
        (zeros((1, 5, 5), (1, 5, 17, 3)), "have 3 and 4 axes"),
        (zeros((1, 17, 192), (1, 17, 256)), "192 and 256 bins"),
        (zeros((1, 17, 512), (1, 17, 384)), "512 and 384 bins"),
        (zeros((1, 26, 384), (1, 26, 512)), "26 keypoints"),
        (zeros((1, 21, 384), (1, 21, 512)), "21 keypoints"),
        (zeros((1, 17, 384), (1, 133, 512)), "17 and 133 keypoints"),
        ([np.full((1, 17, bins), 1 / bins) for bins in (384, 512)], "probabilities"),
        (peaks(17, 300.0), "keypoints.beta"),
    ],
)
def test_files_of_another_layout_are_told_in_a_sentence(tmp_path, outputs, message):
    model = given_outputs(tmp_path / "other.onnx", *outputs)
    with pytest.raises(WebbodyError, match=message) as told:
        detector(model)
    assert str(told.value).startswith(model) and "\n" not in str(told.value)


def test_a_set_beta_is_taken_whatever_the_scale(tmp_path):
    model = given_outputs(tmp_path / "steep.onnx", *peaks(17, 100.0))
    found = detector(model, beta=0.05)
    assert found.beta == 0.05


def test_the_size_of_the_input_comes_from_the_file(tmp_path):
    assert detector(demo_model("keypoints.onnx")).input_size == (192, 256)
    large = peaks(17, 1.0, (288, 384))
    assert detector(given_outputs(tmp_path / "l.onnx", *large, size=(288, 384))).count == 17
    open_sides = given_outputs(tmp_path / "open.onnx", *large, size=("width", "height"))
    assert detector(open_sides).input_size == (288, 384)
    with pytest.raises(WebbodyError, match="input_size"):
        detector(open_sides, input_size=(192, 256))


def test_wrong_sizes_and_files_are_told():
    with pytest.raises(WebbodyError, match="input_size"):
        with_settings(Keypoints, **{**SETTINGS, "input_size": (288, 384)})
    with pytest.raises(WebbodyError, match="9 outputs"):
        with_settings(Keypoints, **{**SETTINGS, "model": demo_model("faces.onnx")})


@pytest.mark.parametrize("value", ["1.5", "-0.1", ".nan"])
def test_thresholds_outside_the_scale_are_refused(value):
    with pytest.raises(WebbodyError, match=r"keypoints\.min_score"):
        load(overrides=[f"keypoints.min_score={value}"])
