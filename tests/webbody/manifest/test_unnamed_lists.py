"""Lists of URLs without names: every line a row, whatever the format, and no name asked for."""

import json
from itertools import pairwise

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from webbody.errors import WebbodyError
from webbody.manifest import Manifest, ManifestLayout

UNNAMED = ManifestLayout(named=False)
URLS = ["http://a.example/1.jpg", "https://b.example/2.jpg", "http://c.example/3 4.jpg"]


def read(path):
    with Manifest(str(path), layout=UNNAMED) as manifest:
        return [row for batch in manifest.rows() for row in batch.to_pylist()]


def write(path, names=None):
    """The URLs in the format that the file's name says, with names where there are any."""
    rows = [{"url": url} for url in URLS]
    for row, name in zip(rows, names or [], strict=False):
        row["name"] = name
    kind = path.suffix
    if kind == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif kind == ".csv":
        lines = [",".join(rows[0]), *(",".join(row.values()) for row in rows)]
        path.write_text("\n".join(lines))
    elif kind == ".jsonl":
        path.write_text("\n".join(map(json.dumps, rows)))
    elif kind == ".json":
        path.write_text(json.dumps(rows))
    elif names:
        path.write_text("\n".join(f"{i} {name} {url}" for i, (name, url) in
                                  enumerate(zip(names, URLS, strict=True))))  # fmt: skip
    else:
        path.write_text("\n".join(URLS) + "\n")


@pytest.mark.parametrize("name", ["l.parquet", "l.csv", "l.jsonl", "l.json", "l.txt", "list"])
@pytest.mark.parametrize("names", [None, ["7", "7", "-8"]])
def test_names_may_be_there_or_not(tmp_path, name, names):
    write(tmp_path / name, names)
    rows = read(tmp_path / name)
    assert [row["url"] for row in rows] == URLS
    assert [row["name"] for row in rows] == (names or [None] * 3)
    assert {row["outcome"] for row in rows} == {None}


@pytest.mark.parametrize("names", [pa.nulls(2), pa.array([1.5, 2.5]), pa.array([[1], [2]])])
def test_a_column_that_can_hold_no_names_is_none(tmp_path, names):
    pq.write_table(pa.table({"url": URLS[:2], "name": names}), tmp_path / "l.parquet")
    assert [row["name"] for row in read(tmp_path / "l.parquet")] == [None, None]


def test_files_with_names_beside_files_without(tmp_path):
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "a.csv").write_text("name,url\nAnn,http://a/1\n,http://a/2\n")
    (tmp_path / "parts" / "b.csv").write_text("url,width\nhttp://a/3,7\n")
    rows = read(tmp_path / "parts")
    assert [(row["url"], row["name"]) for row in rows] == [
        ("http://a/1", "Ann"), ("http://a/2", None), ("http://a/3", None)
    ]  # fmt: skip


def test_broken_lines_of_a_text_list_are_told_and_cost_no_other(tmp_path):
    text = b"http://a/1\n\n  \nftp://a/2\n\xff\xfe\n3 http://a/4\r\n5 6 http://a/7\r\nhttp://a/8"
    (tmp_path / "l.txt").write_bytes(text)
    told = [(row["row"], row["url"], row["outcome"]) for row in read(tmp_path / "l.txt")]
    assert told == [
        (1, "http://a/1", None),
        (2, None, "manifest:blank-line"),
        (3, None, "manifest:blank-line"),
        (4, "ftp://a/2", "manifest:bad-url"),
        (5, None, "manifest:bad-row"),
        (6, "3 http://a/4", "manifest:bad-url"),
        (7, "http://a/7", None),
        (8, "http://a/8", None),
    ]


@given(st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]))))
def test_a_row_for_every_line(tmp_path_factory, lines):
    path = tmp_path_factory.mktemp("lines") / "l.txt"
    path.write_bytes("\n".join([*lines, "http://last/"]).encode())
    rows = read(path)
    assert [row["row"] for row in rows] == list(range(1, len(lines) + 2))
    assert rows[-1]["url"] == "http://last/"


def test_the_order_spreads_hosts_and_depends_on_the_urls_alone(tmp_path):
    urls = [f"http://host{i % 3}.example/{i}.jpg" for i in range(300)]
    orders = []
    for number, order in enumerate((urls, urls[::-1])):
        pq.write_table(pa.table({"url": order}), tmp_path / f"{number}.parquet")
        with Manifest(str(tmp_path / f"{number}.parquet"), layout=UNNAMED) as manifest:
            found = [row["url"] for batch in manifest.accepted() for row in batch.to_pylist()]
        assert sorted(found) == sorted(urls)
        orders.append(found)
    assert orders[0] == orders[1]
    hosts = [url.split("/")[2] for url in orders[0]]
    runs = 1 + sum(a != b for a, b in pairwise(hosts))
    assert runs > 150  # sorted by URL they would be 3


def test_other_builds_say_how_a_list_without_names_is_built(tmp_path):
    write(tmp_path / "l.csv")
    with pytest.raises(WebbodyError, match=r"lacks the column name;.*--preset humans"):
        Manifest(str(tmp_path / "l.csv"))
    pq.write_table(pa.table({"link": URLS}), tmp_path / "l.parquet")
    with pytest.raises(WebbodyError, match="lacks the column url; it has link"):
        Manifest(str(tmp_path / "l.parquet"), layout=UNNAMED)
