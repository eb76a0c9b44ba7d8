"""Text lists: cutting many lines at once gives what the regular expression of a line gives."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webbody.manifest.lines import BLANK, LineBlock
from webbody.manifest.text_rows import TextDialect

AUTHORS = TextDialect.of(" ", None)
PIECES = st.sampled_from(
    ["0", "17", "-3", "-", "x", "http://a/b", "ü", " ", "  ", "\t", "\r", "\f", "\x01", "\x00", '"']
)
LINES = st.lists(st.lists(PIECES, max_size=8).map("".join), min_size=1, max_size=8)


def parse(dialect, lines, end="\n"):
    return dialect.parse(LineBlock("".join(f"{line}{end}" for line in lines).encode(), b"\n", 0))


@given(LINES, st.sampled_from(["\n", "\r\n"]))
def test_the_authors_list(lines, end):
    rows = parse(AUTHORS, lines, end).to_pylist()
    assert len(rows) == len(lines)
    for row, line in zip(rows, lines, strict=True):
        blanks = "[ \t\f\v\r]"
        found = re.fullmatch(
            rf"(?s){blanks}*[0-9]+{blanks}+(-?[0-9]+){blanks}+([^ \t\f\v\r].*?){blanks}*", line
        )
        if found:
            assert (row["name"], row["url"], row["problem"]) == (*found.groups(), None)
        elif line.strip(" \t\f\v\r"):
            assert row["problem"].startswith("not `index label url`")
        else:
            assert row["problem"] == BLANK


@given(LINES)
def test_columns_by_position_parted_by_tabs(lines):
    dialect = TextDialect.of("\t", {"name": "1", "url": "3"})
    for row, line in zip(parse(dialect, lines).to_pylist(), lines, strict=True):
        fields = line.rstrip("\r").split("\t")
        assert (row["problem"] is None) == (len(fields) > 2)
        if row["problem"] is None:
            assert [row["name"], row["url"]] == [fields[0], fields[2]]


@given(LINES)
def test_columns_by_position_parted_by_blanks(lines):
    dialect = TextDialect.of(" ", {"name": "1", "url": "2"})
    for row, line in zip(parse(dialect, lines).to_pylist(), lines, strict=True):
        fields = re.split("[ \t\f\v\r]+", line.strip(" \t\f\v\r"), maxsplit=1)
        assert (row["problem"] is None) == (len(fields) == 2)
        if row["problem"] is None:
            assert [row["name"], row["url"]] == fields


def test_a_url_keeps_its_blanks_and_a_label_its_sign():
    rows = parse(AUTHORS, ["7 -1 http://a/b  c d.jpg "]).to_pylist()
    assert [(row["name"], row["url"]) for row in rows] == [("-1", "http://a/b  c d.jpg")]


@pytest.mark.parametrize("end", ["", "\n"])
def test_the_last_line_may_lack_its_end(end):
    rows = parse(AUTHORS, ["0 1 http://a/1", f"1 1 http://a/2{end}"], "\n").to_pylist()
    assert [row["url"] for row in rows][:2] == ["http://a/1", "http://a/2"]
    block = LineBlock(f"0 1 http://a/1\n1 1 http://a/2{end}".encode(), b"\n", 0)
    assert AUTHORS.parse(block)["url"].to_pylist() == ["http://a/1", "http://a/2"]
