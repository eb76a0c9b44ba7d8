import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.base.row_lookup import LOOKUP
from pipelines.base.stage import run_shard
from pipelines.diagnostics.no_rows import no_rows
from pipelines.engine.sources import NamedSource
from pipelines.inspection.explain import explain
from pipelines.stages.plan import Plan, as_rejected, shard_id
from webbody.build_records import Requested, write_build
from webbody.config import PlanSettings, load
from webbody.manifest import Manifest
from webbody.removals import NO_REMOVALS
from webbody.storage import Folder


def plan(tmp_path, rows, rows_per_shard=10, name="m"):
    """Plan rows (url, name); the record, and shard id -> list of (url, name)."""
    manifest = tmp_path / f"{name}.parquet"
    table = pa.table({"url": [r[0] for r in rows], "name": [r[1] for r in rows]})
    pq.write_table(table, manifest)
    folder = Folder(tmp_path / f"{name}-out")
    stage = Plan(PlanSettings(rows_per_shard=rows_per_shard), Manifest(str(manifest)))
    record = run_shard(stage, folder, "all", "f", {})
    shards = {}
    for file in record.outputs:
        if file not in ("rejected.parquet", LOOKUP):
            table = pq.read_table(folder.open(f"plan/{file}"))
            pairs = zip(table["url"].to_pylist(), table["name"].to_pylist(), strict=True)
            shards[file.split(".")[0]] = list(pairs)
    return record, shards


def some_rows(names, images, seed=0):
    rng = random.Random(seed)
    return [
        (f"http://a/{n}/{i}.jpg", f"name {n:04d}")
        for n in range(names)
        for i in range(rng.randint(1, images))
    ]


@settings(max_examples=25)
@given(
    names=st.integers(1, 60),
    images=st.integers(1, 30),
    rows_per_shard=st.integers(1, 50),
    seed=st.integers(0, 3),
)
def test_every_row_is_in_one_shard_and_a_name_in_one_only(
    tmp_path_factory, names, images, rows_per_shard, seed
):
    rows = some_rows(names, images, seed)
    _, shards = plan(tmp_path_factory.mktemp("plan"), rows, rows_per_shard)
    assert sorted(row for shard in shards.values() for row in shard) == sorted(rows)
    homes: dict[str, set[str]] = {}
    for shard, members in shards.items():
        for _, name in members:
            homes.setdefault(name, set()).add(shard)
    assert all(len(home) == 1 for home in homes.values())


def test_shards_are_near_their_target_size(tmp_path):
    rows = some_rows(2000, 10)
    _, shards = plan(tmp_path, rows, 200)
    sizes = [len(members) for members in shards.values()]
    assert len(rows) / len(sizes) == pytest.approx(200, rel=0.25)
    assert max(sizes) <= 2 * 200


def test_the_order_of_the_manifest_does_not_matter(tmp_path):
    rows = some_rows(50, 6)
    one, _ = plan(tmp_path, rows, name="one")
    two, _ = plan(tmp_path, random.Random(1).sample(rows, len(rows)), name="two")
    shards = {name for name in one.outputs if name not in ("rejected.parquet", LOOKUP)}
    assert {n: one.outputs[n] for n in shards} == {n: two.outputs[n] for n in shards}


def test_a_new_name_changes_only_the_shards_near_it(tmp_path):
    rows = some_rows(2000, 6)
    one, _ = plan(tmp_path, rows, 100, name="one")
    two, _ = plan(tmp_path, [*rows, ("http://new/1.jpg", "name 0007 b")], 100, name="two")
    before = {(name, output.sha256) for name, output in one.outputs.items()}
    after = {(name, output.sha256) for name, output in two.outputs.items()}
    assert len(before - after) <= 4
    assert len(before) > 50


def test_duplicate_rows_are_dropped_once_each_and_counted(tmp_path):
    rows = [
        ("http://a/1", "Ann"),
        ("http://a/1", "Ann"),
        ("http://a/1", "Bo"),
        ("http://a/1", "Ann"),
    ]
    record, shards = plan(tmp_path, rows)
    assert [row for s in shards.values() for row in s] == [
        ("http://a/1", "Ann"),
        ("http://a/1", "Bo"),
    ]
    assert record.counts["manifest:duplicate"] == 2
    assert record.counts["in"] == 4
    assert record.counts["out"] == 2
    rejected = pq.read_table(tmp_path / "m-out/plan/rejected.parquet")
    assert rejected["row"].to_pylist() == [2, 4]


def test_duplicates_across_batches(tmp_path, monkeypatch):
    monkeypatch.setattr("webbody.manifest.database.BATCH", 2)
    rows = [("http://a/1", "Ann")] * 2049 * 2
    record, shards = plan(tmp_path, rows)
    assert record.counts["manifest:duplicate"] == len(rows) - 1
    assert [row for s in shards.values() for row in s] == rows[:1]


def test_a_name_with_2000_images_stays_whole(tmp_path):
    rows = [(f"http://a/{i}", "Ann") for i in range(2000)] + some_rows(20, 3)
    _, shards = plan(tmp_path, rows, 50)
    assert sum(("http://a/7", "Ann") in members for members in shards.values()) == 1
    assert len(next(m for m in shards.values() if m[0][1] == "Ann")) >= 2000


def test_shard_ids_are_short_hex_and_differ():
    ids = {shard_id(f"name {i}") for i in range(1000)}
    assert len(ids) == 1000
    assert all(len(i) == 8 for i in ids)


def test_first_names_with_equal_digests_lose_no_row(tmp_path):
    names = ["person 0056070", "person 0065319"]
    assert shard_id(names[0]) == shard_id(names[1])
    rows = [(f"http://a/{name[-7:]}/{i}.jpg", name) for name in names for i in range(4)]
    record, shards = plan(tmp_path, rows, rows_per_shard=2)
    assert sorted(row for shard in shards.values() for row in shard) == sorted(rows)
    assert record.counts["out"] == 8
    assert len(shards) == 2


def csv_parts(folder, parts):
    """A folder of CSV files, name -> rows."""
    folder.mkdir(exist_ok=True)
    for name, rows in parts.items():
        text = "".join(f"{url},{name}\n" for url, name in rows)
        (folder / name).write_text(f"url,name\n{text}")


def planned(source, folder):
    """The record, the digests of its shards, and the rejected rows."""
    record = run_shard(source.plan(load(), NO_REMOVALS), folder, "all", "f", {})
    rejected = pq.read_table(folder.open("plan/rejected.parquet")).to_pylist()
    shards = {n: one for n, one in record.outputs.items() if n not in ("rejected.parquet", LOOKUP)}
    return record, shards, rejected


def test_a_file_that_comes_to_a_folder_adds_its_rows_and_nothing_else(tmp_path):
    rows = some_rows(30, 5)
    parts = tmp_path / "parts"
    csv_parts(parts, {"b.csv": rows[:40], "c.csv": [*rows[40:80], ("", "Ann"), rows[7]]})
    before = NamedSource(str(parts))
    state, digest = before.state(), before.digest()
    assert NamedSource(f"{parts}/").state() == state
    _, shards, rejected = planned(before, Folder(tmp_path / "one"))
    assert [(row["file"], row["line"], row["outcome"]) for row in rejected] == [
        ("c.csv", 43, "manifest:duplicate"),
        ("c.csv", 42, "manifest:no-url"),
    ]
    csv_parts(parts, {"a.csv": rows[80:]})
    after = NamedSource(str(parts))
    assert after.state()["manifest"] == state["manifest"] and after.state() != state
    assert after.digest() != digest
    record, grown, rejected = planned(after, Folder(tmp_path / "two"))
    assert record.counts["in"] == len(rows) + 2
    assert sorted((row["file"], row["line"]) for row in rejected) == [("c.csv", 42), ("c.csv", 43)]
    csv_parts(tmp_path / "whole", {"all.csv": [*rows, ("", "Ann"), rows[7]]})
    _, whole, told = planned(NamedSource(str(tmp_path / "whole/all.csv")), Folder(tmp_path / "3"))
    assert grown == whole and shards != grown
    assert {row["file"] for row in told} == {None}


def test_a_row_that_cannot_be_used_is_told_by_file_and_line(tmp_path):
    csv_parts(tmp_path / "parts", {"a.csv": [("http://a/1", "Ann")], "b.csv": [("ftp://b", "Bo")]})
    folder = Folder(tmp_path / "out")
    stage = NamedSource(str(tmp_path / "parts")).plan(load(), NO_REMOVALS)
    run_shard(stage, folder, "all", "f", {"manifest": "0"})
    write_build(folder, {"manifest": "parts", "sha256": "0"}, {"plan": Requested("f", (), True)})
    (story,) = explain(folder.url, "ftp://b")
    assert story.steps[0].item == "b.csv, line 2"
    csv_parts(tmp_path / "parts", {"a.csv": [("", "Ann")]})
    stage = NamedSource(str(tmp_path / "parts")).plan(load(), NO_REMOVALS)
    run_shard(stage, folder, "all", "f", {})
    said = str(no_rows("parts", folder, NamedSource.needs))
    assert "(b.csv, line 2: not an http" in said and "none of its 2 rows" in said


def test_rejected_rows_of_older_folders_are_read(tmp_path):
    old = pa.table({"row": [7], "url": ["x"], "name": ["Ann"], "outcome": ["o"], "detail": ["d"]})
    (row,) = as_rejected(old).to_pylist()
    assert row == {
        "row": 7, "file": None, "line": 7, "url": "x", "name": "Ann", "outcome": "o", "detail": "d",
    }  # fmt: skip
