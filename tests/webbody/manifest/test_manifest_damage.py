"""Random rows with random damage, in every format: what is whole comes out as it was written, and
each line has one outcome."""

import bz2
import csv
import gzip
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from webbody.errors import WebbodyError
from webbody.manifest import Manifest, lines
from webbody.manifest.tally import ManifestTally, tallied

#: Any character but control characters and halves of surrogate pairs; some that other programs take
#: for an end of line or a mark.
CHARACTERS = st.characters(exclude_categories=["Cc", "Cs"]) | st.sampled_from(
    "\x85\u2028\u2029\u00a0\ufeff\"',;:{}[]\\ü"
)
TEXT = st.text(CHARACTERS, max_size=12)
URLS = TEXT.map(lambda text: f"https://a.example/{text}".strip())
NAMES = TEXT.map(str.strip).filter(bool)
LABELS = st.integers(-9, 1 << 40).map(str)
#: What stands on a line instead of a row; none of it makes one, in no format.
BROKEN = st.sampled_from(
    [
        b"", b"  \t ", b"\xfa\xff\xfe", b"\xed\xa0\x80", b"x", b'"', b'""', b'"unclosed',
        b"a\tb\tc\td\te", b"a,b,c,d,e", b"\x00\x00", b"{", b'{"url": "http://a/1"', b"nothing",
        b'{"url": "http://a/\xff", "name": "Ann"}', b"[" * 300, b"1 2",
    ]
)  # fmt: skip
PACKERS = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".zst": lambda data: pa.compress(data, "zstd", asbytes=True),
}
COLUMNS = {"csv": ",", "tsv": "\t"}


def line_of(kind, number, url, name):
    """A row as one writes it, without the end of the line."""
    if kind == "txt":
        return f"{number} {name} {url}".encode()
    if kind == "jsonl":
        return json.dumps({"name": name, "url": url, "n": number}, ensure_ascii=False).encode()
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=COLUMNS[kind], lineterminator="")
    writer.writerow([url, name])
    return text.getvalue().encode()


def read(path):
    """The rows that can be used, in order, and the account of all lines."""
    tally = ManifestTally()
    with Manifest(str(path)) as manifest:
        rows = []
        for batch in tallied(manifest, tally):
            good = batch.filter(batch["outcome"].is_null())
            rows += zip(good["url"].to_pylist(), good["name"].to_pylist(), strict=True)
    return rows, tally


@st.composite
def lists(draw):
    """Kind, rows or what stands instead of one, ends of the lines."""
    kind = draw(st.sampled_from(["csv", "tsv", "txt", "jsonl"]))
    names = LABELS if kind == "txt" else NAMES
    urls = URLS.filter(lambda url: url == url.strip(" \t"))
    rows = draw(st.lists(st.tuples(urls, names) | BROKEN, max_size=25))
    ends = draw(st.sampled_from(["\n", "\r\n", "\r", "mixed"]))
    mixed = st.lists(st.sampled_from([b"\n", b"\r\n"]), min_size=26, max_size=26)
    return kind, rows, draw(mixed) if ends == "mixed" else [ends.encode()] * 26


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    max_examples=200,
    deadline=None,
)
@given(
    made=lists(), packing=st.sampled_from(list(PACKERS)), block=st.sampled_from([40, 300, 1 << 22])
)
def test_whole_lines_come_out_as_written_beside_broken_ones(
    tmp_path, monkeypatch, made, packing, block
):
    monkeypatch.setattr(lines, "BLOCK", block)
    kind, rows, ends = made
    header = kind in COLUMNS
    written = [COLUMNS[kind].join(("url", "name")).encode()] if header else []
    written += [
        row if isinstance(row, bytes) else line_of(kind, at, *row) for at, row in enumerate(rows)
    ]
    data = b"".join(line + end for line, end in zip(written, ends, strict=False))
    if b"\n" not in data and block < len(data):
        return  # how lines end is seen in the first block
    path = tmp_path / f"list.{kind}{packing}"
    path.write_bytes(PACKERS[packing](data))
    if not data:
        return
    found, tally = read(path)
    assert found == [row for row in rows if not isinstance(row, bytes)]
    assert tally.accepted + tally.rejected + tally.continued + tally.header == tally.lines
    assert tally.lines == len(written) and tally.header == header
    places = sorted(line.line for some in tally.examples.values() for line in some)
    broken = [at + header + 1 for at, row in enumerate(rows) if isinstance(row, bytes)]
    assert set(places) <= set(broken)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=80, deadline=None
)
@given(
    rows=st.lists(
        st.tuples(URLS, NAMES | st.just("a\x00b")) | BROKEN.filter(bytes.strip), max_size=15
    ),
    blank=st.sampled_from(["", " ", "\n", "\r\n  "]),
    ascii_only=st.booleans(),
    packing=st.sampled_from(list(PACKERS)),
)
@example(
    rows=[b'{"url": "http://a/1"', ("https://a/1", "Ann")], blank="", ascii_only=False, packing=""
)
def test_whole_elements_of_an_array_come_out_beside_broken_ones(
    tmp_path, rows, blank, ascii_only, packing
):
    elements = [
        row
        if isinstance(row, bytes)
        else json.dumps({"url": row[0], "name": row[1]}, ensure_ascii=ascii_only).encode()
        for row in rows
    ]
    gap = blank.encode()
    data = b"[" + gap + (b"," + gap).join(elements) + gap + b"]"
    path = tmp_path / f"list.json{packing}"
    path.write_bytes(PACKERS[packing](data))
    found, tally = read(path)
    whole = [row for row in rows if not isinstance(row, bytes)]
    assert found == whole
    assert tally.accepted + tally.rejected == tally.lines
    assert tally.rejected >= bool(len(rows) - len(whole))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    rows=st.lists(
        st.tuples(URLS, NAMES)
        | st.sampled_from([(None, "Ann"), ("", "Ann"), ("https://a/1", None), ("ftp://a", "Ann")])
        | st.just((b"https://a/\xff", "Ann"))
        | st.just(("https://a/1", b"\xed\xa0\x80")),
        max_size=30,
    ),
    group=st.integers(1, 8),
    kind=st.sampled_from([pa.string(), pa.large_string()]),
)
def test_whole_rows_of_parquet_come_out_beside_broken_ones(tmp_path, rows, group, kind):
    def column(at):
        raw = [row[at].encode() if isinstance(row[at], str) else row[at] for row in rows]
        binary = pa.large_binary() if kind == pa.large_string() else pa.binary()
        return pa.array(raw, binary).view(kind)

    path = tmp_path / "list.parquet"
    pq.write_table(pa.table({"url": column(0), "name": column(1)}), path, row_group_size=group)
    found, tally = read(path)

    def whole(row):
        return isinstance(row[0], str) and isinstance(row[1], str) and row[0].startswith("https")

    assert found == [row for row in rows if whole(row)]
    assert tally.accepted + tally.rejected == tally.lines == len(rows)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ('"Ann\\ud800"', None),
        ('"\\ud83d\\ude00"', "\N{GRINNING FACE}"),
        ('"\\ude00\\ud83d"', None),
        ('"a\\u0000b"', "a\x00b"),
        ('"\\u2028"', "\u2028"),
    ],
)
@pytest.mark.parametrize("kind", ["jsonl", "json"])
def test_escapes_of_json(tmp_path, raw, expected, kind):
    """Half of a surrogate pair is no character: its row is a bad one, the others stay."""
    texts = [f'{{"url": "http://a/{at}", "name": {name}}}' for at, name in enumerate([raw, '"Bo"'])]
    path = tmp_path / f"list.{kind}"
    path.write_text("\n".join(texts) if kind == "jsonl" else f"[{','.join(texts)}]")
    found, tally = read(path)
    assert found == ([("http://a/0", expected)] if expected else []) + [("http://a/1", "Bo")]
    assert dict(tally.reasons) == ({} if expected else {"manifest:bad-row": 1})


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
@pytest.mark.parametrize("ending", ["csv", "tsv", "txt", "jsonl", "json", "", "csv.gz"])
def test_utf16_is_refused_with_and_without_a_mark(tmp_path, encoding, ending):
    text = {
        "csv": "url,name\nhttps://a/1,Ännchen\n",
        "tsv": "url\tname\nhttps://a/1\t名前\n",
        "txt": "0 17 https://a/1\n1 18 https://a/ü\n",
        "jsonl": '{"url": "https://a/1", "name": "Ann"}\n',
        "json": '[{"url": "https://a/1", "name": "Ann"}]',
    }.get(ending, "url,name\nhttps://a/1,Ann\n")
    path = tmp_path / (f"list.{ending}" if ending else "list")
    data = text.encode(encoding)
    path.write_bytes(gzip.compress(data) if ending.endswith("gz") else data)
    with pytest.raises(WebbodyError, match=f"is UTF-{encoding[4:6]} text; save it as UTF-8"):
        read(path)


def test_zeros_in_a_text_cost_their_lines_alone(tmp_path):
    """Holes that a crash left in a file, and short files, are no UTF-16."""
    path = tmp_path / "list.txt"
    for hole in (1, 50, 3000):
        path.write_bytes(b"0 1 http://a/1\n" + b"\x00" * hole + b"\n1 1 http://a/2\n")
        found, tally = read(path)
        assert found == [("http://a/1", "1"), ("http://a/2", "1")]
        assert tally.rejected == 1
