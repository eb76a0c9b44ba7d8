"""Clusters: the largest cluster of a name is the person; everything else says why not."""

import numpy as np
import pyarrow as pa
import pytest
from made_stages import with_settings
from made_tables import near, put, put_faces, run, table

from pipelines.stages.clusters import Clusters
from webbody.storage import Folder

DIM = 512


@pytest.fixture
def stage():
    return with_settings(Clusters, eps=0.7, min_samples=2, min_images=2)


def build(tmp_path, stage, names: dict[str, list[tuple[str, np.ndarray]]], order=None):
    """Rows by crop of a shard in which each name has these (crop, feature)."""
    folder = Folder(tmp_path)
    rows = [(name, crop, feature) for name, faces in names.items() for crop, feature in faces]
    if order is not None:
        rows = [rows[i] for i in order]
    keys = {crop.rsplit("-", 1)[0]: name for name, crop, _ in rows}
    put(
        folder,
        "plan",
        "00",
        key=pa.array(list(keys), pa.string()),
        name=pa.array(list(keys.values()), pa.string()),
    )
    features = np.array([feature for _, _, feature in rows]).reshape(-1, DIM)
    put_faces(folder, "00", [crop for _, crop, _ in rows], features)
    record = run(stage, folder, "00")
    result = table(folder, "clusters/00.parquet")
    assert result["crop"].to_pylist() == [crop for _, crop, _ in rows]
    assert record.counts["in"] == len(rows)
    assert record.counts["out"] == result["outcome"].null_count
    return {row["crop"]: row for row in result.to_pylist()}


def people(seed=0, count=4):
    rng = np.random.default_rng(seed)
    return rng, np.linalg.qr(rng.normal(size=(DIM, count)))[0].T.astype(np.float32)


def test_largest_cluster_is_the_person(tmp_path, stage):
    rng, (ann, bob, stranger, _) = people()
    faces = [(f"a{i}-0", f) for i, f in enumerate(near(rng, ann, 0.8, 5))]
    faces += [(f"b{i}-0", f) for i, f in enumerate(near(rng, bob, 0.8, 3))]
    faces += [("c0-0", stranger * 20)]
    rows = build(tmp_path, stage, {"ann": faces})
    assert all(rows[f"a{i}-0"]["outcome"] is None for i in range(5))
    assert all(rows[f"a{i}-0"]["cluster"] == 0 for i in range(5))
    assert all(rows[f"b{i}-0"]["outcome"] == "cluster:minor" for i in range(3))
    assert all(rows[f"b{i}-0"]["cluster"] == 1 for i in range(3))
    assert rows["c0-0"]["outcome"] == "cluster:noise"
    assert rows["c0-0"]["cluster"] == -1
    assert rows["a0-0"]["links"] == 4
    assert rows["b0-0"]["links"] == 2
    assert rows["a0-0"]["similarity"] > 0.75 > 0.2 > rows["b0-0"]["similarity"]


def test_names_do_not_mix_and_small_ones_are_dropped(tmp_path, stage):
    rng, (ann, *_) = people()
    same = near(rng, ann, 0.9, 4)
    rows = build(
        tmp_path,
        stage,
        {
            "one": [("a-0", same[0])],
            "two": [("b-0", same[1]), ("c-0", same[2])],
            "one image, two faces": [("d-0", same[3]), ("d-1", same[0])],
        },
    )
    assert rows["a-0"]["outcome"] == "cluster:too-few"
    assert rows["b-0"]["outcome"] is None
    assert rows["c-0"]["outcome"] is None
    assert rows["d-0"]["outcome"] == rows["d-1"]["outcome"] == "cluster:too-few"
    assert rows["a-0"]["similarity"] is None


def test_strangers_only(tmp_path, stage):
    _, faces = people()
    rows = build(tmp_path, stage, {"x": [(f"{i}-0", face * 20) for i, face in enumerate(faces)]})
    assert {row["outcome"] for row in rows.values()} == {"cluster:noise"}
    assert {row["similarity"] for row in rows.values()} == {None}


def test_one_face_of_an_image_is_the_person(tmp_path, stage):
    rng, (ann, *_) = people()
    faces = near(rng, ann, 0.95, 3)
    lookalike = near(rng, ann, 0.6, 1)[0]
    rows = build(
        tmp_path,
        stage,
        {"ann": [("a-0", lookalike), ("a-1", faces[0]), ("b-0", faces[1]), ("c-0", faces[2])]},
    )
    assert rows["a-0"]["outcome"] == "cluster:minor"
    assert rows["a-0"]["detail"] == "same image as a-1"
    assert rows["a-1"]["outcome"] is None


def test_a_cluster_is_as_large_as_its_images(tmp_path, stage):
    """Three faces of one image (a poster behind the person, say) do not outvote two images."""
    rng, (ann, bob, *_) = people()
    rows = build(
        tmp_path,
        stage,
        {
            "ann": [(f"a-{i}", f) for i, f in enumerate(near(rng, bob, 0.9, 3))]
            + [(f"{key}-0", f) for key, f in zip("bc", near(rng, ann, 0.9, 2), strict=True)]
        },
    )
    assert [crop for crop, row in rows.items() if row["outcome"] is None] == ["b-0", "c-0"]


def test_order_of_rows_decides_nothing(tmp_path, stage):
    rng, (ann, bob, *_) = people(3)
    faces = [(f"a{i}-0", f) for i, f in enumerate(near(rng, ann, 0.6, 4))]
    faces += [(f"b{i}-0", f) for i, f in enumerate(near(rng, bob, 0.6, 4))]  # a tie
    expected = build(tmp_path / "0", stage, {"ann": faces})
    for trial in range(5):
        order = np.random.default_rng(trial).permutation(len(faces))
        rows = build(tmp_path / f"1{trial}", stage, {"ann": faces}, order)
        for crop, row in rows.items():
            assert row["outcome"] == expected[crop]["outcome"]
            assert row["cluster"] == expected[crop]["cluster"]
    assert expected["a0-0"]["cluster"] == 0  # of equal clusters that with the smallest crop


def test_empty_shard_and_broken_features(tmp_path, stage):
    assert build(tmp_path / "0", stage, {}) == {}
    rng, (ann, *_) = people()
    broken = np.full(DIM, np.nan, np.float32)
    faces = [("a-0", broken), *[(f"b{i}-0", f) for i, f in enumerate(near(rng, ann, 0.8, 2))]]
    rows = build(tmp_path / "1", stage, {"x": faces})
    assert rows["a-0"]["outcome"] == "cluster:noise"
    assert rows["b0-0"]["outcome"] is None


def test_flags_that_drop_are_outcomes_and_the_faces_no_neighbours(tmp_path, stage):
    rng, (ann, *_) = people()
    faces = [(f"a{i}-0", f) for i, f in enumerate(near(rng, ann, 0.9, 6))]
    crops = [crop for crop, _ in faces][::-1]
    flag = {"blurred": {"a1-0", "a2-0"}, "profile": {"a2-0", "a3-0"}, "dark": {"a4-0"}}
    columns = {
        name: pa.array([None if crop == "a5-0" else crop in those for crop in crops], pa.bool_())
        for name, those in flag.items()
    }
    put(Folder(tmp_path), "flags", "00", crop=pa.array(crops), **columns)
    stage.drop = ("profile", "blurred")
    rows = build(tmp_path, stage, {"ann": faces})
    outcomes = [rows[f"a{i}-0"]["outcome"] for i in range(6)]
    assert outcomes == [None, "flag:blurred", "flag:blurred", "flag:profile", None, None]
    assert rows["a1-0"]["cluster"] == -1
    assert rows["a0-0"]["links"] == 2
