"""The flags stage: what is measured of each crop and face, and that nothing fails it."""

import cv2
import numpy as np
import pyarrow as pa
from made_stages import with_settings
from photo_shards import SHARD, Given, blake2b, commit, persons_shard, photos, rows

from pipelines.stages.flags import Flags
from webbody.commit import UNMEASURED, read_record
from webbody.config import FLAGS
from webbody.images import decode, encode_jpeg
from webbody.storage import Folder

OF_FACES = ("face_sharpness", "yaw", "pitch", "face_blurred", "profile")


def crops_shard(out, crops: dict[str, bytes], landmarks: dict[str, list[float] | None]):
    """Commit persons and faces with these crops and landmarks (pixels of the crop)."""
    sizes = [(200, 100) if data[:2] != b"\xff\xd8" else decode(data).shape for data in
             crops.values()]  # fmt: skip
    table = {
        "crop": list(crops),
        "key": [crop.split("-")[0] for crop in crops],
        "outcome": pa.nulls(len(crops), pa.string()),
        "width": pa.array([size[1] for size in sizes], pa.int32()),
        "height": pa.array([size[0] for size in sizes], pa.int32()),
    }
    commit(out, Given("persons", pa.table(table), {f"{k}.jpg": v for k, v in crops.items()}))
    faces = {"crop": list(landmarks), "landmarks": list(landmarks.values())}
    schema = pa.schema({"crop": pa.string(), "landmarks": pa.list_(pa.float32())})
    commit(out, Given("faces", pa.table(faces, schema)))


def flags_of(out, **settings):
    commit(out, with_settings(Flags, **settings))
    return {row["crop"]: row for row in rows(out, "flags")}


def textured(height=300, width=200, low=20, high=235, seed=0):
    return np.random.default_rng(seed).integers(low, high, (height, width, 3)).astype(np.uint8)


FACE = [70.0, 100.0, 110.0, 100.0, 90.0, 125.0, 74.0, 146.0, 106.0, 146.0]


def test_each_flag_is_found_alone(tmp_path):
    good = textured()
    profile = np.array(FACE)
    profile[4] = 118  # the nose far to the side
    pictures = {
        "a-0": good,
        "b-0": cv2.GaussianBlur(good, (0, 0), 6),
        "c-0": textured(low=0, high=60),
        "d-0": textured(low=249, high=256),
        "e-0": np.full((300, 200, 3), (90, 120, 150), np.uint8),
        "f-0": textured(600, 60),
        "g-0": good.copy(),
        "h-0": good,
    }
    pictures["g-0"][40:220, 10:190] = cv2.GaussianBlur(good, (0, 0), 9)[40:220, 10:190]
    landmarks = dict.fromkeys(pictures, FACE) | {"h-0": profile.tolist(), "f-0": None}
    crops_shard(tmp_path, {k: encode_jpeg(v, 95) for k, v in pictures.items()}, landmarks)
    found = flags_of(tmp_path)
    assert list(found) == list(pictures)
    flagged = {crop: {flag for flag in FLAGS if row[flag]} for crop, row in found.items()}
    assert flagged["a-0"] == set()
    assert flagged["b-0"] == {"blurred", "face_blurred"}
    assert flagged["c-0"] == {"dark"}
    assert "overexposed" in flagged["d-0"]
    assert flagged["e-0"] == {"blurred", "low_information", "face_blurred"}
    assert flagged["f-0"] == {"odd_aspect"}
    assert flagged["g-0"] == {"face_blurred"}
    assert flagged["h-0"] == {"profile"}
    assert found["h-0"]["yaw"] > 45
    assert abs(found["a-0"]["yaw"]) < 1
    assert {found["f-0"][name] for name in OF_FACES} == {None}
    counts = read_record(Folder(tmp_path), "flags", SHARD).counts
    assert (counts["in"], counts["out"], counts[UNMEASURED]) == (8, 8, 0)
    assert (counts["dark"], counts["face_blurred"], counts["profile"]) == (1, 4, 1)


def test_thresholds_are_settings(tmp_path):
    crops_shard(tmp_path, {"a-0": encode_jpeg(textured(), 95)}, {"a-0": FACE})
    everything = {
        "min_sharpness": 1e6, "min_brightness": 1, "max_brightness": 0, "min_entropy": 10,
        "min_aspect": 1, "min_face_sharpness": 1e6, "max_yaw": 0,
    }  # fmt: skip
    row = flags_of(tmp_path, **everything)["a-0"]
    assert all(row[flag] for flag in FLAGS)


def test_crops_that_cannot_be_measured_have_their_row(tmp_path):
    crops = {"a-0": b"no picture", "b-0": encode_jpeg(textured(), 95)}
    crops_shard(tmp_path, crops, {"b-0": [float("nan")] * 10})
    assert blake2b(crops["a-0"]) == rows(tmp_path, "persons")[0]["digest"]
    found = flags_of(tmp_path)
    assert found["a-0"]["outcome"].startswith("image:")
    assert found["a-0"]["sharpness"] is None
    assert found["b-0"]["outcome"] is None
    assert found["b-0"]["sharpness"] > 20
    assert {found["b-0"][name] for name in OF_FACES} == {None}


def test_crops_that_were_let_go_are_told_and_not_missed(tmp_path):
    crops_shard(tmp_path, {"a-0": encode_jpeg(textured(), 95)}, {"a-0": FACE})
    Folder(tmp_path).remove(f"persons/{SHARD}.tar")
    row = flags_of(tmp_path)["a-0"]
    assert row["detail"] == "the crop had been let go"
    assert {row[name] for name in ("outcome", "sharpness", *FLAGS)} == {None}
    assert read_record(Folder(tmp_path), "flags", SHARD).counts[UNMEASURED] == 1


def test_a_shard_without_crops(tmp_path):
    crops_shard(tmp_path, {}, {})
    Folder(tmp_path).remove(f"persons/{SHARD}.tar")
    assert flags_of(tmp_path) == {}
    assert read_record(Folder(tmp_path), "flags", SHARD).counts[UNMEASURED] == 0


def test_drawn_people_face_where_they_look(tmp_path):
    """Yaw from the true landmarks is the head's true one; the same with one thread and with two."""
    truth = persons_shard(tmp_path, photos(12))
    landmarks = {}
    for row in truth:
        face = row["figure"].face
        points = None if face is None else face.landmarks - np.array(row["area"][:2])
        landmarks[row["crop"]] = None if points is None else points.ravel().tolist()
    schema = pa.schema({"crop": pa.string(), "landmarks": pa.list_(pa.float32())})
    table = {"crop": list(landmarks), "landmarks": list(landmarks.values())}
    commit(tmp_path, Given("faces", pa.table(table, schema)))
    commit(tmp_path, with_settings(Flags, threads=2))
    pooled = rows(tmp_path, "flags")
    found = flags_of(tmp_path)
    assert list(found.values()) == pooled
    off = [
        abs(found[row["crop"]]["yaw"] - np.degrees(row["figure"].yaw))
        for row in truth
        if landmarks[row["crop"]] is not None
    ]
    assert len(off) > 10
    assert np.median(off) < 5
