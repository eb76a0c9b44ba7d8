"""Lists of removals: what they find, and files that are none."""

import datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from webbody.errors import WebbodyError
from webbody.removals import REMOVALS, SCHEMA, Removals, read_removals
from webbody.storage import Folder

DAY = datetime.date(2026, 1, 1)


def listed(*values):
    return Removals("ab" * 32).plus(DAY, "request", values)


def test_an_address_is_one_entry_in_whatever_spelling():
    spellings = ["http://bücher.example/a b", "HTTP://xn--bcher-kva.example:80/a%20b#x"]
    for one in spellings:
        assert all(listed(("url", one)).contains(url=url) for url in spellings)
        assert all(
            listed(("domain", "xn--bcher-kva.example")).contains(url=url) for url in spellings
        )
    assert len(listed(*(("url", one) for one in spellings)).entries) == 1


def test_a_part_of_an_ip_address_is_no_domain():
    assert not listed(("domain", "0.0.1")).contains(url="http://127.0.0.1/a")
    assert listed(("domain", "127.0.0.1")).contains(url="http://127.0.0.1:8080/a")


def test_what_is_written_is_read(tmp_path):
    one = listed(("url", "http://a/b"), ("person", 5))
    one.write(Folder(tmp_path))
    assert read_removals(Folder(tmp_path)) == one


@pytest.mark.parametrize(
    "wrong", [{"date": None}, {"hash": None}, {"hash": "zz"}, {"reason": None}, {"scope": None}]
)
def test_entries_that_cannot_be_read_are_told_by_their_number(tmp_path, wrong):
    table = listed(("url", "http://a/b"), ("person", 5)).table()
    rows = table.to_pylist()
    rows[1] |= wrong
    pq.write_table(pa.Table.from_pylist(rows, table.schema), tmp_path / REMOVALS)
    with pytest.raises(WebbodyError, match=r"removals\.parquet: entry 2 has no date, scope"):
        read_removals(Folder(tmp_path))


@pytest.mark.parametrize("content", [b"", b"PAR1", b"text"])
def test_what_is_no_list_is_told(tmp_path, content):
    (tmp_path / REMOVALS).write_bytes(content)
    with pytest.raises(WebbodyError, match="is no list of removals"):
        read_removals(Folder(tmp_path))
    pq.write_table(SCHEMA.empty_table(), tmp_path / REMOVALS)  # without a key
    with pytest.raises(WebbodyError, match="is no list of removals"):
        read_removals(Folder(tmp_path))
