"""Split: people apart, every sample once, an order that follows from seed and keys alone."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_build import make_build
from made_stages import with_settings
from made_tables import run, table

from pipelines.sampling.external_shuffle import ExternalShuffle
from pipelines.stages.split import Split

SHARDS = ["00000000", "00000001", "00000002"]
PEOPLE = {0: 9, 1: 4, 2: 12, 3: 9, 4: 30, 5: 2}
SETTINGS = {
    "test_people": 2,
    "test_images": (5, 20),
    "test_body_images": (3, 20),
    "seed": 0,
    "samples_per_shard": 10,
}


def split(folder, shards=SHARDS, **settings):
    """Tables by name, and the record."""
    record = run(with_settings(Split, **{**SETTINGS, **settings}), folder, "all", shards)
    return {name: table(folder, f"split/{name}") for name in sorted(record.outputs)}, record


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    return make_build(tmp_path_factory.mktemp("build"), PEOPLE)


def test_every_sample_once_and_people_apart(build):
    folder, rows = build
    tables, record = split(folder)
    people = tables.pop("people.parquet").to_pylist()
    samples = pa.concat_tables(tables.values()).to_pylist()
    assert sorted(s["crop"] for s in samples) == sorted(r["crop"] for r in rows)
    assert record.counts["in"] == record.counts["out"] == len(rows)
    test = {row["person"] for row in people if row["split"] == "test"}
    assert len(test) == record.counts["test_people"] == 2
    assert test < {0, 2, 3}  # 1 and 5 have too few images, 4 too many
    for name, part in tables.items():
        kind = name.split("-")[0]
        assert set(part["split"].to_pylist()) == {kind}
        assert {p in test for p in part["person"].to_pylist()} == {kind == "test"}
    assert {row["person"]: row["images"] for row in people} == PEOPLE
    assert people[0]["body_images"] == 3


def test_shards_are_even_and_shuffled(build):
    folder, _ = build
    tables, _ = split(folder, samples_per_shard=7)
    sizes = [len(t) for name, t in tables.items() if name.startswith("train")]
    assert max(sizes) <= 7
    assert max(sizes) - min(sizes) <= 1
    assert [n for n in tables if n.startswith("train")] == [
        f"train-{i:06d}.parquet" for i in range(len(sizes))
    ]
    assert len(set(tables["train-000000.parquet"]["person"].to_pylist())) > 2


def test_columns_carry_what_packing_needs(build):
    folder, rows = build
    expected = {row["crop"]: row for row in rows}
    tables, _ = split(folder)
    for sample in tables["train-000000.parquet"].to_pylist():
        row = expected[sample["crop"]]
        for name in ("key", "person", "url", "sha256", "offset", "length", "digest"):
            assert sample[name] == row[name]
        assert sample["source"] == row["shard"]
        area = np.array(row["area"]) / [100, 80, 100, 80]
        np.testing.assert_allclose(sample["box"], area, rtol=1e-6)
        assert (sample["image_width"], sample["image_height"]) == (100, 80)
        assert (sample["crop_width"], sample["crop_height"]) == (row["width"], row["height"])
        np.testing.assert_array_equal(sample["keypoints"], row["keypoints"])


def test_order_of_shards_decides_nothing(build):
    folder, _ = build
    _, one = split(folder)
    _, two = split(folder, shards=SHARDS[::-1])
    assert one.outputs == two.outputs  # the same bytes
    _, other = split(folder, seed=1)
    assert one.outputs != other.outputs


def test_without_samples(tmp_path):
    folder, _ = make_build(tmp_path, {})
    tables, record = split(folder)
    assert list(tables) == ["people.parquet"]
    assert record.counts["out"] == 0


@settings(max_examples=25)
@given(data=st.data(), files=st.integers(1, 200), rows=st.integers(0, 60))
def test_scatter_sorts_rows_into_files(data, files, rows):
    file = np.array(data.draw(st.lists(st.integers(0, files - 1), min_size=rows, max_size=rows)))
    place = np.array(data.draw(st.permutations(range(rows))))
    file, place = file.astype(np.int64), place.astype(np.int64)
    with ExternalShuffle(pa.schema([("value", pa.int64())]), files) as scatter:
        for start in range(0, rows, 7):
            part = slice(start, start + 7)
            scatter.add(pa.table({"value": place[part]}), file[part], place[part])
        found = {number: t["value"].to_pylist() for number, t in scatter.files()}
    expected = {int(n): sorted(place[file == n].tolist()) for n in np.unique(file)}
    assert found == expected
    assert list(found) == sorted(found)
