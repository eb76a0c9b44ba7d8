"""Reading and writing releases: what is handed on is exactly what was released, or nothing is."""

import json
import tempfile
from itertools import pairwise

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_release import make_release, sample

from webbody.errors import WebbodyError
from webbody.releases.format import RELEASE_FILE, SCHEMA, read_info
from webbody.releases.release import Release, file_sha256
from webbody.releases.writing import digest_of_shards, write_data
from webbody.storage import Folder

PEOPLE = {5: 30, 1 << 47: 31, 9: 4, 3: 2}


@pytest.fixture
def release(tmp_path):
    make_release(tmp_path, PEOPLE)
    return Release.read(tmp_path)


def rewrite(path, change):
    content = json.loads((path / RELEASE_FILE).read_text())
    change(content)
    (path / RELEASE_FILE).write_text(json.dumps(content))


def test_rows_come_back_in_order_file_by_file(release):
    rows = pa.concat_tables(release.tables()).to_pylist()
    assert len(rows) == sum(PEOPLE.values()) == release.info.samples
    for split in ("train", "test"):
        own = [row for row in rows if row["split"] == split]
        assert own == sorted(own, key=lambda row: (row["person"], row["key"]))
    by_url = {row["url"]: row for row in rows}
    expected = sample(3, 5)
    assert by_url[expected["url"]] == expected


def test_columns_and_splits_are_chosen(release):
    table = pa.concat_tables(release.tables(["person", "key"], ["test"]))
    assert table.column_names == ["person", "key"]
    assert set(table["person"].to_pylist()) == {9, 3}


def test_a_web_server_gives_the_same(tmp_path, release, serve_folder):
    pytest.importorskip("aiohttp")
    far = Release.read(serve_folder(tmp_path))
    assert far.info == release.info
    assert pa.concat_tables(far.tables()) == pa.concat_tables(release.tables())


@settings(max_examples=20)
@given(st.lists(st.integers(0, 70), max_size=8), st.integers(20, 80))
def test_bytes_depend_on_the_rows_alone(cuts, file_rows):
    rows = pa.Table.from_pylist([sample(number, 1) for number in range(70)], SCHEMA)
    edges = [0, *sorted(cuts), 70]
    parts = [rows.slice(a, b - a) for a, b in pairwise(edges)]
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        whole = write_data(Folder(one), "train", [rows], file_rows)
        assert write_data(Folder(two), "train", parts, file_rows) == whole
        read = [pq.read_table(f"{one}/{name}") for name in whole]
        assert pa.concat_tables(read) == rows
        assert all(file.rows <= file_rows for file in whole.values())


def test_a_newer_format_is_refused_in_one_sentence(tmp_path, release):
    rewrite(tmp_path, lambda content: content.update(format_version=2, samples="many"))
    with pytest.raises(WebbodyError, match=r"version 2 of the release format.*install a newer"):
        Release.read(tmp_path)


def test_fields_of_later_versions_are_left_alone(tmp_path, release):
    rewrite(tmp_path, lambda content: content.update(mirror="https://example.org"))
    assert Release.read(tmp_path).info == release.info


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda c: c.pop("samples"), "samples: Field required"),
        (lambda c: c.update(people=-1), "people: "),
        (lambda c: c.update(format="other"), "describes no release"),
        (lambda c: c.update(format_version="1"), "is no number"),
        (lambda c: c["files"].update({"../../x.parquet": c["files"]["data/test-00000.parquet"]}),
         "is no name of a data file"),
        (lambda c: c["files"]["data/test-00000.parquet"].update(sha256="x"), r"files\..*sha256"),
        (lambda c: c.update(samples=5), "samples is 5, and its files hold 67 rows"),
        (lambda c: c.update(people=68), "people is 68, and there are 67 samples"),
        (lambda c: c["shuffle"]["shards"].update(train=10**9), r"shards\.train"),
        (lambda c: c["shuffle"]["shards"].update(all=1), "'all' is no split"),
        (lambda c: c["shuffle"]["shards"].pop("test"), "no number for the split test"),
        (lambda c: c["pack"].update(size=10**9), r"pack\.size"),
        (lambda c: c.update(removals="../../etc/passwd"), "removals: it must be a URL"),
        (lambda c: c.update(removals="/etc/passwd"), "removals: it must be a URL"),
        (lambda c: c.update(removals=".."), "removals: it must be a URL"),
    ],
)  # fmt: skip
def test_a_wrong_description_is_told_by_its_field(tmp_path, release, change, told):
    rewrite(tmp_path, change)
    with pytest.raises(WebbodyError, match=told):
        Release.read(tmp_path)


@pytest.mark.parametrize("text", [b"", b"{", b"[" * 100_000, b"\xff", b"[]", b"null"])
def test_what_is_no_description_is_told(text):
    with pytest.raises(WebbodyError, match="x: "):
        read_info(text, "x")


def test_no_release_is_told_by_its_place(tmp_path):
    for place in (tmp_path, tmp_path / "absent", "unknown://host/x"):
        with pytest.raises(WebbodyError, match=str(place)):
            Release.read(place)


def test_a_changed_file_is_named_before_a_row_of_it_is_read(tmp_path, release):
    path = tmp_path / "data/train-00001.parquet"
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)
    seen = []
    with pytest.raises(WebbodyError, match=r"train-00001.*sha256"):
        seen.extend(release.tables(splits=["train"]))
    assert sum(map(len, seen)) == 25
    path.unlink()
    with pytest.raises(WebbodyError, match=r"train-00001.*missing"):
        list(release.tables())


def test_changed_columns_are_named(tmp_path, release):
    name = "data/test-00000.parquet"
    table = pq.read_table(tmp_path / name)
    table = table.drop_columns(["sha256"]).append_column("name", pa.nulls(len(table), pa.string()))
    table = table.set_column(2, "person", table["person"].cast(pa.string()))
    pq.write_table(table, tmp_path / name)
    with (tmp_path / name).open("rb") as file:
        digest = file_sha256(file)
    rewrite(tmp_path, lambda content: content["files"][name].update(sha256=digest))
    with pytest.raises(
        WebbodyError, match=r"sha256 is missing; .*person is string, not int64"
    ) as e:
        list(Release.read(tmp_path).tables())
    assert "name is not one of the format" in str(e.value)


def test_rows_that_are_not_there_are_told(tmp_path, release):
    rewrite(tmp_path, lambda content: content.update(samples=68))
    rewrite(tmp_path, lambda content: content["files"]["data/test-00000.parquet"].update(rows=7))
    with pytest.raises(WebbodyError, match=r"has 6 rows.*says 7"):
        list(Release.read(tmp_path).tables())


def test_rows_of_another_split_than_the_files_are_told(tmp_path):
    def misplaced(row):
        return {**row, "split": "train"}  # also those of test people

    make_release(tmp_path, PEOPLE, misplaced)
    release = Release.read(tmp_path)
    for columns, splits in ((None, ["test"]), (["person"], ["test"]), (None, None)):
        with pytest.raises(WebbodyError, match=r"test-00000.* has rows of the split train"):
            list(release.tables(columns, splits))
    assert sum(map(len, release.tables(splits=["train"]))) == 61


def test_a_data_sets_digest_does_not_depend_on_the_order():
    assert digest_of_shards(["b", "a"]) == digest_of_shards(["a", "b"]) != digest_of_shards(["a"])
