import gzip

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from webbody.errors import WebbodyError
from webbody.manifest import MAX_URL, Manifest, lines, sample_key


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
        first = 2 if path.suffix == ".csv" else 1
        assert rejected == [
            (first + 2, "manifest:no-url"),
            (first + 3, "manifest:no-name"),
            (first + 4, "manifest:bad-url"),
            (first + 5, "manifest:bad-url"),
            (first + 6, "manifest:bad-url"),
            (first + 7, "manifest:bad-url"),
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
    (tmp_path / "empty").mkdir()
    with pytest.raises(WebbodyError, match="is a folder without any list"):
        read(tmp_path / "empty")
    with pytest.raises(WebbodyError, match="cannot be fetched"):
        read("memory://nowhere/m.csv")


def test_keys_depend_on_url_and_name_and_never_hold_dots():
    key = sample_key("http://a/1.jpg", "Ann")
    assert key == sample_key("http://a/1.jpg", "Ann")
    assert len(key) == 20
    assert set(key) <= set("0123456789abcdef")
    assert len({key, sample_key("http://a/1.jpg", "Bo"), sample_key("http://a/1.jpgA", "nn")}) == 3


def test_a_path_is_a_path_and_no_pattern(tmp_path):
    for name in ("ab", "a[b]", "a*", "a?"):
        pq.write_table(
            pa.table({"url": [f"http://{name[:1]}/{len(name)}/{ord(name[1])}"], "name": [name]}),
            tmp_path / f"{name}.parquet",
        )
    for name in ("ab", "a[b]", "a*", "a?"):
        accepted, _ = read(tmp_path / f"{name}.parquet")
        assert [row[1] for row in accepted] == [name]


def test_columns_are_called_exactly_so(tmp_path):
    path = tmp_path / "m.parquet"
    pq.write_table(pa.table({"Name": ["wrong"], "url": ["http://a/1"], "name": ["right"]}), path)
    assert read(path)[0] == [("http://a/1", "right")]
    pq.write_table(pa.table({"Name": ["wrong"], "url": ["http://a/1"]}), path)
    with pytest.raises(WebbodyError, match="lacks the column name; it has Name, url"):
        read(path)
    twice = pa.table([["http://a/1"], ["Ann"], ["Bo"]], names=["url", "name", "name"])
    pq.write_table(twice, path)
    with pytest.raises(WebbodyError, match="has the column name twice"):
        read(path)
    path = tmp_path / "m.csv"
    path.write_text("url,name,name\nhttp://a/1,Ann,Bo\n")
    with pytest.raises(WebbodyError, match="has the column name twice"):
        read(path)


@pytest.mark.parametrize("kind", [pa.large_string(), pa.string_view()])
def test_other_kinds_of_text_in_parquet(tmp_path, kind):
    urls = pa.array(["http://a/1", None, "http://a/a-very-long-one.jpg"]).cast(kind)
    names = pa.array(["Ann", "Bo", "Cy"]).cast(kind)
    pq.write_table(pa.table({"url": urls, "name": names}), tmp_path / "m.parquet")
    accepted, rejected = read(tmp_path / "m.parquet")
    assert accepted == [("http://a/1", "Ann"), ("http://a/a-very-long-one.jpg", "Cy")]
    assert rejected == [(2, "manifest:no-url")]


def test_dictionaries_and_digests_as_bytes(tmp_path):
    digest = bytes(range(32))
    table = pa.table(
        {
            "url": ["http://a/1", "http://a/2"],
            "name": pa.array(["Ann", "Ann"]).dictionary_encode(),
            "sha256": pa.array([digest, None], pa.binary(32)),
        }
    )
    pq.write_table(table, tmp_path / "m.parquet")
    with Manifest(str(tmp_path / "m.parquet")) as manifest:
        rows = [row for batch in manifest.accepted() for row in batch.to_pylist()]
    assert [(row["name"], row["sha256"]) for row in rows] == [("Ann", digest.hex()), ("Ann", None)]


def test_text_in_parquet_that_is_none_costs_its_row(tmp_path):
    raw = pa.array([b"http://a/1", b"http://a/\xff", None]).view(pa.string())
    pq.write_table(pa.table({"url": raw, "name": ["Ann", "Bo", "Cy"]}), tmp_path / "m.parquet")
    accepted, rejected = read(tmp_path / "m.parquet")
    assert accepted == [("http://a/1", "Ann")]
    assert rejected == [(2, "manifest:bad-row"), (3, "manifest:no-url")]


@pytest.mark.parametrize("ending", ["txt", "lst", "csv", "jsonl"])
@pytest.mark.parametrize("pack", ["gz", "zst"])
def test_compressed_lists(tmp_path, ending, pack):
    content = {
        "txt": "0 Ann http://a/1\n".replace("Ann", "17"),
        "lst": "0 17 http://a/1\n",
        "csv": "url,name\nhttp://a/1,17\n",
        "jsonl": '{"url": "http://a/1", "name": 17}\n',
    }[ending].encode()
    packed = gzip.compress(content) if pack == "gz" else pa.compress(content, "zstd", asbytes=True)
    for name in (f"m.{ending}.{pack}", "bare"):
        (tmp_path / name).write_bytes(packed)
        assert read(tmp_path / name) == ([("http://a/1", "17")], [])


def test_a_damaged_file_is_told_while_it_is_sorted(tmp_path):
    text = "".join(f"{i} 7 http://a/{i * i}\n" for i in range(20_000)).encode()
    path = tmp_path / "m.txt.gz"
    path.write_bytes(gzip.compress(text)[:-2000])
    with Manifest(str(path)) as manifest, pytest.raises(WebbodyError, match="get it again"):
        list(manifest.accepted())


DAMAGE = st.lists(
    st.tuples(
        st.integers(0, 1 << 16),
        st.sampled_from([b'"', b"\n", b"\r\n", b"\xff", b"\x00", b",", b"", b"{", b" \t", b"\r"]),
        st.integers(0, 3),
    ),
    max_size=6,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    kind=st.sampled_from(["csv", "jsonl", "txt"]),
    damage=DAMAGE,
    block=st.sampled_from([50, 1 << 22]),
)
def test_whatever_is_damaged_every_line_has_one_outcome(tmp_path, monkeypatch, kind, damage, block):
    monkeypatch.setattr(lines, "BLOCK", block)
    header = b"url,name\n" if kind == "csv" else b""
    write = {
        "csv": lambda i: f'http://a/{i},"Ann, {i}"\n',
        "jsonl": lambda i: f'{{"url": "http://a/{i}", "name": "Ann"}}\n',
        "txt": lambda i: f"{i} 7 http://a/{i} b.jpg\n",
    }[kind]
    data = "".join(map(write, range(12))).encode()
    for at, new, drop in damage:
        at %= len(data)
        data = data[:at] + new + data[at + drop :]
    path = tmp_path / f"m.{kind}"
    path.write_bytes(header + data)
    with Manifest(str(path)) as manifest:
        rows = [row for batch in manifest.rows() for row in batch.to_pylist()]
    expected = data.count(b"\n") + (not data.endswith(b"\n"))
    assert sum(row["lines"] for row in rows) == expected
    assert kind == "csv" or len(rows) == expected
    numbers = [row["row"] for row in rows]
    assert numbers == sorted(set(numbers)) and numbers[0] == len(header.splitlines()) + 1


def test_rows_of_every_batch_of_parquet_are_told_apart(tmp_path):
    rows = 150_000
    urls = [f"http://a/{i}" for i in range(rows)]
    names = [f"n{i % 7}" for i in range(rows)]
    wrong = {
        5: "no-url",
        66_000: "no-url",
        66_001: "no-name",
        131_075: "bad-url",
        149_999: "no-name",
    }
    for row, outcome in wrong.items():
        if outcome == "no-name":
            names[row] = " "
        else:
            urls[row] = "" if outcome == "no-url" else "ftp://a"
    path = tmp_path / "m.parquet"
    pq.write_table(pa.table({"url": urls, "name": names}), path, row_group_size=50_000)
    with Manifest(str(path)) as manifest:
        found = [row for batch in manifest.rejected() for row in batch.to_pylist()]
        usable = [url for batch in manifest.usable() for url in batch["url"].to_pylist()]
    assert {row["row"]: row["outcome"] for row in found} == {
        row + 1: f"manifest:{outcome}" for row, outcome in wrong.items()
    }
    assert usable == [url for row, url in enumerate(urls) if row not in wrong]
