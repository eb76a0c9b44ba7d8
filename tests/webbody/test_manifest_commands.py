"""`webbody manifest`: what each command writes and says, beside an independent count."""

import gzip
import json
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command_line import one_sentence, run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


def write(path, rows, **columns):
    """Rows (url, name) as a Parquet manifest."""
    table = {"url": [url for url, _ in rows], "name": [name for _, name in rows], **columns}
    pq.write_table(pa.table(table), path)
    return path


def rows_of(path):
    table = pq.read_table(path)
    return list(zip(table["url"].to_pylist(), table["name"].to_pylist(), strict=True))


def some_rows(names=40, seed=0):
    rng = random.Random(seed)
    rows = [
        (f"https://host{i % 3}.example/{n}/{i}.jpg", f"name {n:03d}")
        for n in range(names)
        for i in range(rng.randint(1, 9))
    ]
    rng.shuffle(rows)
    return rows


LIST = b"""0 17 http://a/b c.jpg
1 18 http://a/d.jpg

no label here
2 17 ftp://a/e.jpg
3 17 http://a/\xff.jpg
4 -1 https://b/f.jpg
"""


@pytest.mark.parametrize("ending", ["txt", "txt.gz"])
def test_import_of_the_authors_list(tmp_path, ending):
    source, out = tmp_path / f"url.{ending}", tmp_path / "out" / "list.parquet"
    source.write_bytes(gzip.compress(LIST) if ending.endswith("gz") else LIST)
    code, said, _ = run("manifest", "import", source, "--out", out)
    assert code == 0
    assert "7 lines" in said and "3 rows" in said and "4 lines" in said
    assert rows_of(out) == [
        ("http://a/b c.jpg", "17"), ("http://a/d.jpg", "18"), ("https://b/f.jpg", "-1"),
    ]  # fmt: skip
    rejected = pq.read_table(tmp_path / "out" / "list.rejected.parquet").to_pylist()
    assert [(row["line"], row["outcome"]) for row in rejected] == [
        (3, "manifest:blank-line"),
        (4, "manifest:bad-row"),
        (5, "manifest:bad-url"),
        (6, "manifest:bad-row"),
    ]
    assert "no label here" in rejected[1]["detail"]


def test_the_number_of_a_line_counts_the_header_and_json_tells_the_same(tmp_path):
    source, out = tmp_path / "list.csv", tmp_path / "list.parquet"
    source.write_text("name,url,caption\nAnn,http://a/1,x\nBo,,y\n")
    code, said, _ = run("manifest", "import", source, "--out", out, "--keep", "caption", "--json")
    found = json.loads(said)
    assert code == 0 and (found["lines"], found["header"]) == (3, 1)
    assert found["accepted"] == found["rejected"] == 1
    assert found["examples"]["manifest:no-url"][0]["line"] == 3
    assert pq.read_table(out).to_pylist() == [{"url": "http://a/1", "name": "Ann", "caption": "x"}]
    assert pq.read_table(found["rejected_lines"])["line"].to_pylist() == [3]


def test_columns_by_position_and_by_name(tmp_path):
    source, out = tmp_path / "identities.txt", tmp_path / "list.parquet"
    source.write_text("m.01abc\thttp://a/1.jpg\t3\nm.01abc\thttp://a/2.jpg\t4\n")
    options = ["--separator", "tab", "--name", "1", "--url", "2", "--keep", "3"]
    assert run("manifest", "import", source, "--out", out, *options)[0] == 0
    assert rows_of(out) == [("http://a/1.jpg", "m.01abc"), ("http://a/2.jpg", "m.01abc")]
    assert pq.read_table(out)["column3"].to_pylist() == ["3", "4"]
    source = tmp_path / "list.jsonl"
    source.write_text('{"link": "http://a/1", "who is it": "Ann", "row": 5}\n')
    options = ["--name", "who is it", "--url", "link", "--keep", "row"]
    assert run("manifest", "import", source, "--out", out, *options)[0] == 0
    (row,) = pq.read_table(out).to_pylist()
    assert row == {"url": "http://a/1", "name": "Ann", "sha256": None, "row": "5"}


def test_every_column_of_parquet_is_kept_as_it_is(tmp_path):
    boxes = pa.array([[0.0, 0.5], None, [1.0]], pa.list_(pa.float32()))
    rows = [("http://a/1", "Ann"), ("x", "Ann"), ("http://a/2", "Bo")]
    write(tmp_path / "m.parquet", rows, box=boxes, row=[1, 2, 3])
    out = tmp_path / "out.parquet"
    assert run("manifest", "import", tmp_path / "m.parquet", "-o", out, "--keep", "*")[0] == 0
    assert pq.read_table(out).equals(
        pa.table(
            {
                "url": ["http://a/1", "http://a/2"],
                "name": ["Ann", "Bo"],
                "box": boxes.take([0, 2]),
                "row": [1, 3],
            }
        )
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["import", "none.txt", "-o", "x.parquet"], "does not exist"),
        (["import", "list.txt", "-o", "x.csv"], "name it .parquet"),
        (["import", "list.txt", "-o", "x.parquet", "--format", "xml"], "xml is no format"),
        (["import", "list.txt", "-o", "x.parquet", "--url", "link"], "give their positions"),
        (["import", "list.txt", "-o", "x.parquet", "--url", "1", "--name", "1"], "only one of"),
        (["import", "list.txt", "-o", "x.parquet", "--url", "2"], "url and name are needed"),
        (["import", "list.txt", "-o", "x.parquet", "--keep", "*"], "name the columns to keep"),
        (["validate", "useless.txt"], "none of its 2 rows can be used"),
        (["stats", "useless.txt"], "none of its 2 rows can be used"),
        (["validate", "header.csv"], "has no rows"),
        (["sample", "list.txt", "-o", "x.parquet"], "Give either"),
        (["sample", "list.txt", "-o", "x.parquet", "--fraction", "2"], "at most 1"),
        (["sample", "list.txt", "-o", "x.parquet", "--names", "0"], "1 or more"),
        (["merge", "list.txt", "-o", "list.parquet/"], "name it .parquet"),
    ],
)
def test_what_a_user_must_mend_is_one_sentence(tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list.txt").write_bytes(LIST)
    (tmp_path / "useless.txt").write_text("a b c\nftp d\n")
    (tmp_path / "header.csv").write_text("url,name\n")
    code, _, error = run("manifest", *arguments)
    assert code == 2 and one_sentence(error) and said in error
    assert not list(tmp_path.glob("*.parquet"))


def test_what_is_read_is_not_replaced(tmp_path):
    path = write(tmp_path / "m.parquet", [("http://a/1", "Ann")])
    before = path.read_bytes()
    code, _, error = run("manifest", "sample", path, "-o", path, "--names", "1")
    assert code == 2 and "is what is read" in error and path.read_bytes() == before


def test_validate_writes_nothing_and_tells_bad_rows(tmp_path):
    (tmp_path / "url.lst").write_bytes(LIST)
    code, said, _ = run("manifest", "validate", tmp_path / "url.lst", "--json")
    found = json.loads(said)
    assert code == 0
    assert found["accepted"] + found["rejected"] == found["lines"] == 7
    assert found["reasons"] == {
        "manifest:bad-row": 2, "manifest:blank-line": 1, "manifest:bad-url": 1,
    }  # fmt: skip
    assert list(tmp_path.iterdir()) == [tmp_path / "url.lst"]


def test_stats_beside_a_count_by_hand(tmp_path):
    rows = [*some_rows(), ("http://HOST0.example:80/x?a@b", "name 001")]
    rows += [rows[3], rows[4], rows[4], (rows[0][0], "another name")]
    path = write(tmp_path / "m.parquet", rows, sha256=["ab" * 32, *[None] * (len(rows) - 1)])
    code, said, _ = run("manifest", "stats", path, "--json", "--top", "2")
    found = json.loads(said)
    images = {name: len({url for url, other in rows if other == name}) for _, name in rows}
    assert code == 0
    assert (found["rows"], found["names"]) == (len(rows), len(images))
    assert found["duplicates"] == len(rows) - len(set(rows)) == 3
    assert (found["shared"], found["digests"]) == (1, 1)
    assert found["images"]["most"] == max(images.values())
    assert found["images"]["mean"] == pytest.approx(sum(images.values()) / len(images))
    assert found["images"]["single"] == list(images.values()).count(1)
    assert found["schemes"] == {"https": len(rows) - 1, "http": 1}
    assert found["domain_count"] == 3
    hosts = [url.split("/")[2].lower().split(":")[0] for url, _ in rows]
    largest = max(set(hosts), key=hosts.count)
    assert found["domains"][0] == [largest, hosts.count(largest)]
    assert largest in run("manifest", "stats", path)[1]


def test_a_sample_has_whole_names_and_depends_on_the_seed_alone(tmp_path):
    rows = some_rows()
    path = write(tmp_path / "m.parquet", rows, extra=list(range(len(rows))))
    other = write(tmp_path / "n.parquet", rows[::-1])

    def drawn(source, *options):
        out = tmp_path / "out.parquet"
        assert run("manifest", "sample", source, "-o", out, *options)[0] == 0
        return rows_of(out)

    ten = drawn(path, "--names", "10")
    names = {name for _, name in ten}
    assert len(names) == 10
    assert ten == [row for row in rows if row[1] in names]
    extra = pq.read_table(tmp_path / "out.parquet")["extra"].to_pylist()
    assert extra == [i for i, row in enumerate(rows) if row[1] in names]
    assert drawn(other, "--names", "10") == ten[::-1]
    assert {name for _, name in drawn(path, "--names", "10", "--seed", "1")} != names
    assert names < {name for _, name in drawn(path, "--names", "20")}
    assert drawn(path, "--names", "1000") == drawn(path, "--fraction", "1") == rows
    half = {name for _, name in drawn(path, "--fraction", "0.5")}
    assert 8 < len(half) < 32
    assert half >= {name for _, name in drawn(path, "--fraction", "0.25")}


def test_released_manifests_are_sampled_counted_and_compared_by_person(tmp_path):
    table = pa.table(
        {"url": [f"http://a/{i}" for i in range(9)], "person": [2**40 + i // 3 for i in range(9)]}
    )
    pq.write_table(table, tmp_path / "r.parquet")
    assert json.loads(run("manifest", "stats", tmp_path / "r.parquet", "--json")[1])["names"] == 3
    out = tmp_path / "s.parquet"
    assert run("manifest", "sample", tmp_path / "r.parquet", "-o", out, "--names", "1")[0] == 0
    sample = pq.read_table(out)
    assert sample.schema.field("person").type == pa.int64()
    assert sample.num_rows == 3 and len(set(sample["person"].to_pylist())) == 1
    found = json.loads(run("manifest", "diff", tmp_path / "r.parquet", out, "--json")[1])
    assert (found["removed"], found["same"], found["names_removed"]) == (6, 3, 2)
    code, _, error = run("manifest", "merge", tmp_path / "r.parquet", "-o", tmp_path / "m.parquet")
    assert code == 2 and "lacks the column name" in error


ROWS = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from(["Ann", "Bo", "Cy"]), st.sampled_from("ab ")),
    min_size=1,
    max_size=12,
)


def save(path, rows):
    digests = [digest * 64 if digest.strip() else None for _, _, digest in rows]
    pairs = [(f"http://a/{url}", name) for url, name, _ in rows]
    return write(path, pairs, sha256=pa.array(digests, pa.string()))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(ROWS, ROWS)
def test_a_merge_holds_every_row_once(tmp_path, one, two):
    a, b = save(tmp_path / "a.parquet", one), save(tmp_path / "b.parquet", two)
    out = tmp_path / "out.parquet"
    code, said, _ = run("manifest", "merge", a, b, "-o", out, "--json")
    found = json.loads(said)
    pairs = {(url, name) for url, name, _ in one + two}
    assert code == 0
    assert rows_of(out) == sorted(
        ((f"http://a/{url}", name) for url, name in pairs), key=lambda row: row[::-1]
    )
    assert found["merged"] == len(pairs)
    assert found["merged"] + found["duplicates"] == len(one) + len(two)
    for row in pq.read_table(out).to_pylist():
        pair = row["url"], row["name"]
        digests = [d for url, name, d in one + two if (f"http://a/{url}", name) == pair]
        known = [digest * 64 for digest in digests if digest.strip()]
        assert row["sha256"] == (known[0] if known else None)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(ROWS, ROWS)
def test_a_difference_beside_sets(tmp_path, one, two):
    a, b = save(tmp_path / "a.parquet", one), save(tmp_path / "b.parquet", two)
    out = tmp_path / "out.parquet"
    code, said, _ = run("manifest", "diff", a, b, "-o", out, "--json")
    found = json.loads(said)

    def digests(rows):
        known: dict = {}
        for url, name, digest in rows:
            known.setdefault((f"http://a/{url}", name), set()).add(digest.strip())
        return {pair: min(filter(None, all_), default="") for pair, all_ in known.items()}

    old, new = digests(one), digests(two)
    changes = dict.fromkeys(new.keys() - old.keys(), "added")
    changes |= dict.fromkeys(old.keys() - new.keys(), "removed")
    changes |= {pair: "changed" for pair in old.keys() & new.keys() if old[pair] != new[pair]}
    assert code == 0
    for kind in ("added", "removed", "changed"):
        assert found[kind] == list(changes.values()).count(kind)
    assert found["same"] == len(old.keys() & new.keys()) - found["changed"]
    table = pq.read_table(out).to_pylist()
    assert {(row["url"], row["name"]): row["change"] for row in table} == changes
    names = [{name for _, name in rows} for rows in (old, new)]
    assert found["names_added"] == len(names[1] - names[0])
    assert found["names_removed"] == len(names[0] - names[1])
    assert found["names_same"] == len(names[0] & names[1])
    gone = {url for url, _ in old.keys() - new.keys()}
    assert found["moved"] == len(gone & {url for url, _ in new.keys() - old.keys()})
    assert run("manifest", "diff", a, b)[0] == 0
