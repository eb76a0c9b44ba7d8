"""CSV: what is well formed is read as Python reads it, and damage stays on its line."""

import csv
import io

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from webbody.manifest import Manifest, ManifestLayout, lines
from webbody.manifest.csv_rows import CsvDialect
from webbody.manifest.lines import LineBlock
from webbody.manifest.source import KEPT

TEXTS = st.text(st.sampled_from('ab ,"ü'), min_size=1, max_size=6)
CAPTIONS = st.text(st.sampled_from('ab,"\n'), max_size=6)


def rows_of(path, layout=None):
    with Manifest(str(path), layout=layout) as manifest:
        return [row for batch in manifest.rows() for row in batch.to_pylist()]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(
    rows=st.lists(st.tuples(TEXTS, CAPTIONS), min_size=1, max_size=8),
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    end=st.sampled_from(["\n", "\r\n"]),
    block=st.sampled_from([40, 1 << 22]),
)
def test_what_is_well_formed_is_read(tmp_path, monkeypatch, rows, quoting, end, block):
    monkeypatch.setattr(lines, "BLOCK", block)
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=quoting, lineterminator=end)
    writer.writerow(["caption", "url", "name"])
    writer.writerows([[caption, f"http://a/{i}", f"n{n}n"] for i, (n, caption) in enumerate(rows)])
    path = tmp_path / "m.csv"
    path.write_bytes(text.getvalue().encode())
    found = rows_of(path, ManifestLayout(keep=("caption",)))
    assert [row["name"] for row in found] == [f"n{name}n" for name, _ in rows]
    assert [row[f"{KEPT}caption"] for row in found] == [caption for _, caption in rows]
    assert sum(row["lines"] for row in found) == len(text.getvalue().splitlines()) - 1


@pytest.mark.parametrize("broken", ['http://a/x,"Ann', '"http://a/x,Ann', 'http://a/x,"A"nn'])
@pytest.mark.parametrize("at", [0, 40, 99])
def test_a_quote_that_does_not_fit_costs_its_line_alone(tmp_path, broken, at):
    good = [f'http://a/{i},"Ann, {i}"' for i in range(100)]
    good[at] = broken
    path = tmp_path / "m.csv"
    path.write_text("\n".join(["url,name", *good]) + "\n")
    found = rows_of(path)
    assert len(found) == 100
    wrong = [(row["row"], row["outcome"]) for row in found if row["outcome"]]
    assert wrong == [(at + 2, "manifest:bad-row")]


def test_two_stray_quotes_far_apart_do_not_swallow_what_is_between(tmp_path):
    rows = [f"http://a/{i},Ann,c" for i in range(300)]
    rows[10] = 'http://a/10,"Ann,c'
    rows[90] = 'http://a/90,Ann",c'
    path = tmp_path / "m.csv"
    path.write_text("\n".join(["url,name,caption", *rows]))
    outcomes = [row["outcome"] for row in rows_of(path)]
    assert len(outcomes) == 300
    assert outcomes[10] == "manifest:bad-row" and outcomes.count(None) >= 298


def test_mixed_line_ends_blank_lines_and_a_wide_line(tmp_path):
    path = tmp_path / "m.csv"
    path.write_bytes(b"url,name\r\nhttp://a/1,Ann\n\nhttp://a/2,Bo,more\r\nhttp://a/3,Bo\r\n,\n")
    assert [row["outcome"] for row in rows_of(path)] == [
        None, "manifest:blank-line", "manifest:bad-row", None, "manifest:no-url",
    ]  # fmt: skip


def test_without_a_header_columns_are_given_by_position(tmp_path):
    path = tmp_path / "list.tsv"
    path.write_text("17\thttp://a/1\tx\n18\thttp://a/2\n19\n")
    found = rows_of(path, ManifestLayout(url="2", name="1"))
    assert [(row["name"], row["url"]) for row in found[:2]] == [
        ("17", "http://a/1"), ("18", "http://a/2"),
    ]  # fmt: skip
    assert found[2]["detail"].startswith("1 fields, 2 are needed")


PIECES = st.sampled_from(["a", "ü", ",", ",", " ", "\r", "\x00", '""', '"b"', '"c,d"'])


@given(st.lists(st.lists(PIECES, max_size=7).map("".join), min_size=1, max_size=8))
def test_each_line_is_read_as_python_reads_it_alone(texts):
    dialect = CsvDialect(",", 3, {"url": 0, "name": 2}, {})
    data = "".join(f"{text}\n" for text in texts).encode()
    pieces = dialect.pieces([LineBlock(data, b"\n", 0)], header=False)
    (batch,) = map(dialect.parse, pieces)
    for row, text in zip(batch.to_pylist(), texts, strict=True):
        try:
            (fields,) = csv.reader([f"{text}\n"], strict=True)
        except csv.Error:
            fields = []
        assert (row["problem"] is None) == (len(fields) == 3)
        if len(fields) == 3:
            assert [row["url"], row["name"]] == [fields[0], fields[2]]


def test_a_blank_that_separates_csv_is_one_blank(tmp_path):
    path = tmp_path / "m.csv"
    path.write_text('url name age\nhttp://a/1 Ann 3\nhttp://a/2  3\nhttp://a/3 "Bo B" 4\n')
    found = rows_of(path, ManifestLayout(separator="blank", keep=("age",)))
    assert [(row["name"], row["outcome"]) for row in found] == [
        ("Ann", None), (None, "manifest:no-name"), ("Bo B", None),
    ]  # fmt: skip
