"""Whole Parquet tables: columns as asked for, and nothing that goes on behind the reader's back."""

import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from webbody.parquet_tables import read_parquet

TABLE = pa.table({"a": [1, 2], "b": ["x", None], "c": [[1.5], []]})
#: What a command does whose error follows a read.
PROGRAM = """
import sys
from webbody.parquet_tables import read_parquet
with open(sys.argv[1], "rb") as file:
    read_parquet(file)
sys.exit(2)
"""


@pytest.fixture
def path(tmp_path):
    pq.write_table(TABLE, tmp_path / "t.parquet")
    return tmp_path / "t.parquet"


def test_it_is_what_was_written_in_the_order_asked_for(path):
    with path.open("rb") as file:
        assert read_parquet(file).equals(TABLE)
        assert not file.closed
    assert read_parquet(path, ["c", "a"]).equals(TABLE.select(["c", "a"]))


def test_a_schema_casts_and_fills(path):
    schema = pa.schema([("z", pa.string()), ("a", pa.int64())])
    assert read_parquet(path, schema=schema).to_pylist() == [
        {"z": None, "a": 1},
        {"z": None, "a": 2},
    ]
    with pytest.raises(pa.ArrowInvalid):
        read_parquet(path, schema=pa.schema([("c", pa.int64())]))


def test_a_column_that_is_missing_or_twice_is_an_error(path, tmp_path):
    with pytest.raises(pa.ArrowInvalid, match="column d is there 0 times"):
        read_parquet(path, ["a", "d"])
    pq.write_table(pa.table([[1], [2]], names=["a", "a"]), tmp_path / "twice.parquet")
    with pytest.raises(pa.ArrowInvalid, match="column a is there 2 times"):
        read_parquet(tmp_path / "twice.parquet", ["a"])


def test_an_exit_right_after_it_keeps_its_code(path):
    for _ in range(12):
        ended = subprocess.run([sys.executable, "-c", PROGRAM, path], check=False)
        assert ended.returncode == 2
