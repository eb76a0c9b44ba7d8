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
from pipelines.sampling.placement import SHUFFLE
from pipelines.stages.split import SPLITS, Split
from webbody.sample_keys import packed_key

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
    names = sorted(name for name in record.outputs if name != SHUFFLE)
    return {name: table(folder, f"split/{name}") for name in names}, record


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


def test_validation_people_are_trained_on_as_little_as_tested(build):
    folder, rows = build
    before, _ = split(folder)
    tables, record = split(folder, validation_people=2)
    people = tables.pop("people.parquet").to_pylist()
    samples = pa.concat_tables(tables.values()).to_pylist()
    assert sorted(s["crop"] for s in samples) == sorted(r["crop"] for r in rows)
    of = {name: {p["person"] for p in people if p["split"] == name} for name in SPLITS}
    assert len(of["validation"]) == 2 and sum(map(len, of.values())) == len(PEOPLE)
    was = {p["person"]: p["split"] for p in before["people.parquet"].to_pylist()}
    assert of["test"] == {person for person, name in was.items() if name == "test"}
    held = [s for s in samples if s["split"] == "validation"]
    assert {s["person"] for s in held} == of["validation"]
    assert len(held) == record.counts["validation"] == sum(PEOPLE[p] for p in of["validation"])
    files = {name for name in tables if name.startswith("validation-")}
    assert files and sum(len(tables[name]) for name in files) == len(held)
    assert {name: tables[name] for name in before if name.startswith("test-")} == {
        name: before[name] for name in before if name.startswith("test-")
    }


def test_shards_are_shuffled_and_hold_a_person_in_two(build):
    folder, _ = build
    tables, _ = split(folder, samples_per_shard=7, test_people=0)
    train = {n: part for n, part in tables.items() if n.startswith("train")}
    assert len(train) >= 7
    shards_of: dict[int, set[str]] = {}
    for name, part in train.items():
        for person in part["person"].to_pylist():
            shards_of.setdefault(person, set()).add(name)
    assert max(len(shards) for shards in shards_of.values()) == 2
    assert max(len(set(part["person"].to_pylist())) for part in train.values()) > 1


def test_whoever_goes_changes_only_his_shards_and_the_number_stays(tmp_path):
    people = dict.fromkeys(range(40), 6)
    full, _ = make_build(tmp_path / "full", people)
    before, _ = split(full, samples_per_shard=20, test_people=0)
    some, _ = make_build(tmp_path / "some", {p: n for p, n in people.items() if not 7 <= p <= 10})
    fresh, _ = split(some, samples_per_shard=20, test_people=0)
    some.write_bytes(SHUFFLE, full.read(f"split/{SHUFFLE}"))
    after, _ = split(some, samples_per_shard=20, test_people=0)
    assert len(before) - 1 == 12
    gone = {name for name in before if {7, 8, 9, 10} & set(before[name]["person"].to_pylist())}
    assert len(gone - {"people.parquet"}) <= 8
    samples = [(name, t["sample"].to_pylist()) for name, t in after.items() if name not in gone]
    assert [(name, before[name]["sample"].to_pylist()) for name, _ in samples] == samples
    assert len(fresh) - 1 < 12  # without the memory there are fewer shards now


def test_columns_carry_what_packing_needs(build):
    folder, rows = build
    expected = {row["crop"]: row for row in rows}
    tables, _ = split(folder)
    for sample in tables["train-000000.parquet"].to_pylist():
        row = expected[sample["crop"]]
        assert sample["sample"] == packed_key(row["url"], row["area"])
        for name in ("key", "person", "url", "sha256", "offset", "length", "digest"):
            assert sample[name] == row[name]
        assert sample["source"] == f"persons/{row['shard']}"
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
