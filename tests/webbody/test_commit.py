import json

import pytest

from webbody.commit import (
    Output,
    Record,
    fingerprint,
    intact,
    is_side_file,
    read_record,
    record_name,
    side_file,
)
from webbody.storage import Folder

RECORD = Record(
    stage="persons",
    shard="ab",
    fingerprint="f",
    inputs={"download/ab.tar": "1"},
    outputs={"ab.tar": Output("2", 4)},
    counts={"in": 3, "out": 2},
    seconds=1.5,
    code="0",
)


def test_a_record_survives_the_disk(tmp_path):
    folder = Folder(tmp_path)
    folder.write_bytes(record_name("persons", "ab"), RECORD.to_json())
    assert read_record(folder, "persons", "ab") == RECORD


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"{}", b'{"stage": "x", "outputs": {}}'])
def test_a_broken_record_counts_as_none(tmp_path, text):
    folder = Folder(tmp_path)
    folder.write_bytes(record_name("persons", "ab"), text)
    assert read_record(folder, "persons", "ab") is None


def test_it_matches_only_the_same_settings_and_inputs():
    assert RECORD.matches("f", {"download/ab.tar": "1"})
    assert not RECORD.matches("g", {"download/ab.tar": "1"})
    assert not RECORD.matches("f", {"download/ab.tar": "9"})
    assert not RECORD.matches("f", {"download/ab.tar": "1", "more": "2"})


def test_lost_files_are_told_from_evicted_ones(tmp_path):
    folder = Folder(tmp_path)
    assert not intact(folder, RECORD)
    folder.write_bytes("persons/ab.tar", b"1234")
    assert intact(folder, RECORD)
    folder.write_bytes("persons/ab.tar", b"123")
    assert not intact(folder, RECORD)
    folder.remove("persons/ab.tar")
    assert intact(folder, Record(**{**RECORD.__dict__, "evicted": ("ab.tar",)}))


def test_a_lost_side_file_makes_nothing_undone(tmp_path):
    assert is_side_file(side_file("ab", "answers"))
    for name in ("ab.tar", "ab.parquet", "people.parquet", "train-000000.parquet", "all.json"):
        assert not is_side_file(name)
    beside = {side_file("ab", "answers"): Output("2", 4)}
    assert intact(Folder(tmp_path), Record(**{**RECORD.__dict__, "outputs": beside}))


def test_a_fingerprint_depends_on_settings_and_version_not_on_order():
    assert fingerprint({"a": 1, "b": 2}, 1) == fingerprint({"b": 2, "a": 1}, 1)
    assert fingerprint({"a": 1}, 1) != fingerprint({"a": 2}, 1)
    assert fingerprint({"a": 1}, 1) != fingerprint({"a": 1}, 2)


def test_evicted_files_stand_in_the_record_as_they_always_did():
    record = Record(**{**RECORD.__dict__, "evicted": ("ab.tar",)})
    assert json.loads(record.to_json())["let_go"] == ["ab.tar"]
    assert Record.from_json(record.to_json()) == record
