"""Plans of lists without names: each URL once, no name kept, cuts that stay where they are."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.base.row_lookup import LOOKUP
from pipelines.base.stage import run_shard
from pipelines.diagnostics.no_rows import no_rows
from pipelines.engine.sources import UrlSource, source_of
from webbody.config import BuildConfig, load
from webbody.errors import WebbodyError
from webbody.manifest import sample_key
from webbody.removals import NO_REMOVALS, RemovalLists, Removals
from webbody.storage import Folder


def plan(root, rows, rows_per_shard=10, removals=NO_REMOVALS):
    """Plan rows (dicts); the record, shard -> its rows, the rejected rows, and what was noted."""
    root.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), root / "list.parquet")
    config = load(None, [f"plan.rows_per_shard={rows_per_shard}"])
    stage = UrlSource(str(root / "list.parquet")).plan(config, removals)
    notes: list[str] = []
    record = run_shard(stage, Folder(root / "out"), "all", "f", {}, note=notes.append)
    tables = {
        name.split(".")[0]: pq.read_table(root / "out" / "plan" / name).to_pylist()
        for name in record.outputs
        if name != LOOKUP
    }
    return record, tables, tables.pop("rejected"), notes


def urls(count, host="a.example"):
    return [{"url": f"http://{host}/{i}.jpg"} for i in range(count)]


@settings(max_examples=6)
@given(st.integers(1, 300), st.integers(1, 40), st.integers(0, 20))
def test_every_url_is_in_one_shard(tmp_path_factory, count, rows_per_shard, twice):
    rows = urls(count) + urls(min(count, twice))
    record, shards, rejected, notes = plan(tmp_path_factory.mktemp("p"), rows, rows_per_shard)
    planned = [row for shard in shards.values() for row in shard]
    assert sorted(row["url"] for row in planned) == sorted(row["url"] for row in urls(count))
    assert {row["outcome"] for row in rejected} <= {"manifest:duplicate"}
    assert len(rejected) == min(count, twice)
    assert all(row["key"] == sample_key(row["url"], "") for row in planned)
    assert all(len(shard) <= 2 * rows_per_shard for shard in shards.values())
    assert record.counts["in"] == len(rows) and not notes


def test_names_are_told_and_not_kept(tmp_path):
    rows = [
        {"url": "http://a/1.jpg", "name": "Ann Secret"},
        {"url": "http://a/1.jpg", "name": "Bob Secret"},  # the same picture, whoever is meant
        {"url": "http://a/2.jpg", "name": None},
        {"url": "http://a/3.jpg", "name": ""},
        {"url": "ftp://a/4.jpg", "name": "Cid Secret"},
    ]
    _, shards, rejected, (note,) = plan(tmp_path, rows)
    assert note.startswith("3 rows of the list have a name: names are not used")
    planned = [row for shard in shards.values() for row in shard]
    assert sorted(row["url"] for row in planned) == [f"http://a/{i}.jpg" for i in (1, 2, 3)]
    assert sorted(row["outcome"] for row in rejected) == ["manifest:bad-url", "manifest:duplicate"]
    assert {row["name"] for row in (*planned, *rejected)} == {None}
    for file in (tmp_path / "out").rglob("*"):
        assert not file.is_file() or b"Secret" not in file.read_bytes()


def test_a_row_more_changes_few_shards(tmp_path):
    _, before, _, _ = plan(tmp_path / "1", urls(2000), 50)
    _, after, _, _ = plan(tmp_path / "2", [*urls(2000), {"url": "http://new/"}], 50)
    assert len(before) > 20
    same = [shard for shard, rows in before.items() if after.get(shard) == rows]
    assert len(same) >= len(before) - 4
    sizes = [len(rows) for rows in before.values()]
    assert 35 <= sum(sizes) / len(sizes) <= 75


def test_hosts_are_spread_over_the_shards(tmp_path):
    rows = urls(300, "one.example") + urls(300, "two.example")
    _, shards, _, _ = plan(tmp_path, rows, 100)
    for shard in shards.values():
        own = sum(row["url"].startswith("http://one") for row in shard)
        assert 0.2 < own / len(shard) < 0.8


def test_what_was_taken_down_is_not_planned(tmp_path):
    import datetime

    gone = [("url", "http://a.example/3.jpg"), ("domain", "b.example")]
    listed = Removals("ab" * 32).plus(datetime.date(2026, 1, 2), "request", gone)
    rows = urls(6) + urls(4, "www.b.example")
    _, shards, rejected, _ = plan(tmp_path, rows, removals=RemovalLists((listed,)))
    assert sum(map(len, shards.values())) == 5
    assert [(row["outcome"], row["url"]) for row in rejected] == [("takedown", None)] * 5


def test_a_list_without_a_row_that_can_be_used(tmp_path):
    _, shards, _, _ = plan(tmp_path, [{"url": "ftp://a"}, {"url": None}])
    assert not shards
    source = UrlSource(str(tmp_path / "list.parquet"))
    said = str(no_rows("list.parquet", Folder(tmp_path / "out"), source.needs))
    assert said.endswith("every row needs an http or https URL.") and "name" not in said


def test_a_release_is_no_list_of_urls(tmp_path):
    (tmp_path / "release.json").write_text("{}")
    with pytest.raises(WebbodyError, match=r"is a release.*without `--preset humans`"):
        source_of(BuildConfig(manifest=str(tmp_path), samples="photos"))
