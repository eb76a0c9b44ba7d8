import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from webbody.errors import WebbodyError
from webbody.manifest import MAX_URL, Manifest, sample_key


def read(path):
    """Accepted (url, name) pairs in order, and rejected (row, outcome) pairs."""
    with Manifest(str(path)) as manifest:
        rejected = [
            (row["row"], row["outcome"]) for b in manifest.rejected() for row in b.to_pylist()
        ]
        accepted = [(r["url"], r["name"]) for b in manifest.accepted() for r in b.to_pylist()]
    return accepted, rejected


def write_all(tmp_path, rows):
    """The same rows in the three formats with columns."""
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "m.parquet")
    import csv
    import json

    with (tmp_path / "m.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["url", "name"])
        writer.writeheader()
        writer.writerows(rows)
    (tmp_path / "m.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return [tmp_path / f"m.{ending}" for ending in ("parquet", "csv", "jsonl")]


def test_the_formats_with_columns_say_the_same(tmp_path):
    rows = [
        {"url": "http://b/2.jpg", "name": "Bo"},
        {"url": 'https://a/1 x.jpg?q=ü,"1"', "name": 'Ann, the "great"'},
        {"url": None, "name": "Bo"},
        {"url": "http://a/1.jpg", "name": "  "},
        {"url": "ftp://a/1.jpg", "name": "Bo"},
        {"url": "http://" + "a" * MAX_URL, "name": "Bo"},
        {"url": "http:///nohost", "name": "Bo"},
        {"url": "http://a/\x01.jpg", "name": "Bo"},
    ]
    for path in write_all(tmp_path, rows):
        accepted, rejected = read(path)
        assert accepted == [(rows[1]["url"], rows[1]["name"]), (rows[0]["url"], "Bo")], path
        assert rejected == [
            (2, "manifest:no-url"),
            (3, "manifest:no-name"),
            (4, "manifest:bad-url"),
            (5, "manifest:bad-url"),
            (6, "manifest:bad-url"),
            (7, "manifest:bad-url"),
        ], path


def test_the_authors_text_list(tmp_path):
    path = tmp_path / "list.txt"
    path.write_bytes(
        b"0 17 http://a/b c.jpg\n"
        b"1\t18\thttp://a/d.jpg\n"
        b"\n"
        b"no label here\n"
        b"2 x http://a/e.jpg\n"
        b"3 17\n"
        b"4 17 http://a/\xff\xfe.jpg\n"
    )
    accepted, rejected = read(path)
    assert accepted == [("http://a/b c.jpg", "17"), ("http://a/d.jpg", "18")]
    assert [outcome for _, outcome in rejected] == [
        "manifest:blank-line",
        *["manifest:bad-row"] * 4,
    ]


def test_broken_lines_of_csv_and_json_are_rows_with_a_reason(tmp_path):
    path = tmp_path / "m.csv"
    path.write_text("url,name\nhttp://a/1,Ann\nhttp://a/2,Ann,surplus\nhttp://a/3,Bo\n")
    accepted, rejected = read(path)
    assert len(accepted) == 2
    assert [outcome for _, outcome in rejected] == ["manifest:bad-row"]
    path = tmp_path / "m.jsonl"
    path.write_text('{"url": "http://a/1", "name": "Ann"}\n{"url": \n[1]\n')
    accepted, rejected = read(path)
    assert len(accepted) == 1
    assert [outcome for _, outcome in rejected] == ["manifest:bad-row", "manifest:no-url"]


def test_integer_labels_are_names_and_the_order_of_rows_does_not_matter(tmp_path):
    rows = [{"url": f"http://a/{i}", "name": i % 3} for i in range(9)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    pq.write_table(pa.Table.from_pylist(rows[::-1]), tmp_path / "b.parquet")
    assert read(tmp_path / "a.parquet") == read(tmp_path / "b.parquet")


def test_the_format_is_found_without_an_ending(tmp_path):
    for path in write_all(tmp_path, [{"url": "http://a/1", "name": "Ann"}]):
        bare = tmp_path / f"bare-{path.suffix[1:]}"
        bare.write_bytes(path.read_bytes())
        assert read(bare) == ([("http://a/1", "Ann")], [])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.csv", None, "does not exist"),
        ("empty.csv", b"", "is empty"),
        ("columns.csv", b"link,person\nhttp://a,b\n", "lacks the columns url and name"),
        ("broken.parquet", b"PAR1 but not really", "no valid Parquet"),
        ("unknown", b"\x00\x01\x02 something", "is none of"),
    ],
)
def test_a_manifest_that_cannot_be_used(tmp_path, name, content, message):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(WebbodyError, match=message) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_wrong_types_and_folders(tmp_path):
    pq.write_table(pa.table({"url": [1.5], "name": ["Ann"]}), tmp_path / "types.parquet")
    with pytest.raises(WebbodyError, match="column url has type double"):
        read(tmp_path / "types.parquet")
    with pytest.raises(WebbodyError, match="is a folder"):
        read(tmp_path)
    with pytest.raises(WebbodyError, match="cannot be fetched"):
        read("memory://nowhere/m.csv")


def test_keys_depend_on_url_and_name_and_never_hold_dots():
    key = sample_key("http://a/1.jpg", "Ann")
    assert key == sample_key("http://a/1.jpg", "Ann")
    assert len(key) == 20
    assert set(key) <= set("0123456789abcdef")
    assert len({key, sample_key("http://a/1.jpg", "Bo"), sample_key("http://a/1.jpgA", "nn")}) == 3
