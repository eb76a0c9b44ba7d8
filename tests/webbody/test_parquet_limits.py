"""Parquet files that declare more than is in them, by every reader: one sentence, and no memory."""

import io
import random
import subprocess
import sys
from contextlib import suppress

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from webbody import parquet_footer, parquet_limits
from webbody.parquet_footer import DeclaredChunk
from webbody.parquet_tables import open_parquet, read_batches, read_parquet

ROWS = 200_000
LONG = "x" * 4_000_000


def repeated(text, rows):
    """A column in which a dictionary repeats one text."""
    return pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), pa.array([text]))


def written(table, **options):
    file = io.BytesIO()
    pq.write_table(table, file, compression="zstd", store_schema=False, **options)
    return file.getvalue()


def bomb(kind):
    """A file of at most a few megabytes that is far larger in memory."""
    name = ["Ann"]
    if kind == "dictionary":
        return written(pa.table({"url": repeated(LONG, ROWS), "name": repeated("Ann", ROWS)}))
    if kind == "rows":
        nothing = pa.nulls(20_000_000, pa.string())
        return written(pa.table({"url": nothing, "name": nothing}), row_group_size=1 << 26)
    if kind == "pages":
        plain = {"write_statistics": False, "write_page_checksum": False}
        urls = pa.array(["y" * 270_000_000])
        return written(pa.table({"url": urls, "name": name}), use_dictionary=False, **plain)
    more = {f"c{number}": [1] for number in range(11_000)}
    return written(pa.table({"url": name, "name": name, **more}))


KINDS = ("dictionary", "rows", "pages", "columns")
#: Reads a file in a process of its own by every reader of files of others; prints what each says,
#: and the memory that it took in MB.
PROGRAM = """
import resource, sys
from pathlib import Path
from pipelines.identity.gallery_file import read_gallery
from pipelines.takedown.elsewhere import without_removed
from webbody.errors import WebbodyError
from webbody.manifest import Manifest
from webbody.removals import NO_REMOVALS, read_removals
from webbody.storage import Folder

path = Path(sys.argv[1])
readers = [
    lambda: list(Manifest(str(path)).usable()),
    lambda: read_gallery(path),
    lambda: read_removals(Folder(path.parent), path.name),
    lambda: without_removed(path, NO_REMOVALS),
]
for read in readers:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        read()
        print("read")
    except WebbodyError as error:
        print(str(error).replace(chr(10), "|"))
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.fixture(scope="module")
def bombs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bombs")
    for kind in KINDS:
        (folder / f"{kind}.parquet").write_bytes(bomb(kind))
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_a_bomb_is_small_and_refused_before_it_takes_memory(bombs, kind):
    path = bombs / f"{kind}.parquet"
    assert path.stat().st_size < 5_000_000
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, path], capture_output=True, text=True, check=True
    )
    said = ran.stdout.splitlines()
    assert len(said) == 8
    for sentence, grown in zip(said[::2], said[1::2], strict=True):
        assert str(path) in sentence and "|" not in sentence
        assert int(grown) < 800, sentence


def test_what_is_repeated_comes_as_it_was_written(tmp_path, monkeypatch):
    """Long texts in dictionaries are cut into smaller batches; types and values stay."""
    monkeypatch.setattr("webbody.parquet_tables.BYTES", 1000)
    texts = [None if i % 7 == 0 else "abc"[i % 3] * (i % 50) for i in range(500)]
    table = pa.table(
        {
            "text": pa.array(texts),
            "large": pa.array(texts, pa.large_string()),
            "bytes": pa.array([t and t.encode() for t in texts], pa.binary()),
            "number": list(range(500)),
            "category": pa.array(texts).dictionary_encode(),
            "lists": [[t, t] for t in texts],
        }
    )
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=128)
    batches = list(read_batches(tmp_path / "t.parquet", 100))
    assert pa.Table.from_batches(batches).cast(table.schema).equals(table)
    assert len(batches) > 5 and max(batch.num_rows for batch in batches) < 100
    assert read_parquet(tmp_path / "t.parquet").cast(table.schema).equals(table)
    picked = read_parquet(tmp_path / "t.parquet", ["number", "text"])
    assert picked.equals(table.select(["number", "text"]))


def test_a_row_of_text_too_long_for_a_batch_is_a_batch_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr("webbody.parquet_tables.BYTES", 10)
    pq.write_table(pa.table({"a": ["x" * 30, "y", "x" * 30]}), tmp_path / "t.parquet")
    batches = list(read_batches(tmp_path / "t.parquet", 100))
    assert [text for batch in batches for text in batch["a"].to_pylist()] == [
        "x" * 30, "y", "x" * 30,
    ]  # fmt: skip


def test_a_long_footer_is_refused_and_the_file_stays_where_it_stands(monkeypatch):
    file = io.BytesIO(written(pa.table({"a": [1]})))
    file.seek(5)
    assert parquet_limits.declared(file).rows == 1 and file.tell() == 5
    monkeypatch.setattr(parquet_limits, "FOOTER", 10)
    with pytest.raises(pa.ArrowInvalid, match="its footer has"):
        open_parquet(file)


def test_more_structures_than_any_list_has_are_refused(monkeypatch):
    data = written(pa.table({"a": list(range(60))}), row_group_size=1)
    assert len(read_parquet(io.BytesIO(data))) == 60
    monkeypatch.setattr(parquet_footer, "STRUCTURES", 100)
    with pytest.raises(pa.ArrowInvalid, match="more than 100 structures"):
        open_parquet(io.BytesIO(data))


@given(
    rows=st.integers(0, 40),
    group=st.integers(1, 15),
    nested=st.booleans(),
    dictionary=st.booleans(),
    codec=st.sampled_from(["zstd", "none", "snappy"]),
    version=st.sampled_from(["1.0", "2.6"]),
)
def test_a_footer_is_read_as_the_library_reads_it(rows, group, nested, dictionary, codec, version):
    table = pa.table({"text": ["x" * (i % 5) for i in range(rows)], "number": list(range(rows))})
    if nested:
        lists = pa.array([[f"{i}", None] for i in range(rows)], pa.list_(pa.string()))
        table = table.append_column("lists", lists)
    file = io.BytesIO()
    options = {"compression": codec, "version": version, "use_dictionary": dictionary}
    pq.write_table(table, file, row_group_size=group, **options)
    found = parquet_limits.declared(file)
    metadata = pq.ParquetFile(file).metadata
    assert (found.rows, found.groups) == (rows, metadata.num_row_groups)
    expected = []
    for number in range(metadata.num_row_groups):
        for column in range(metadata.num_columns):
            one = metadata.row_group(number).column(column)
            texts = one.physical_type == "BYTE_ARRAY" and "." not in one.path_in_schema
            repeats = texts and any("DICT" in encoding for encoding in one.encodings)
            sizes = one.total_compressed_size, one.total_uncompressed_size
            path = one.path_in_schema.split(".")[0]
            expected.append(DeclaredChunk(path, one.num_values, *sizes, repeats))
    assert found.chunks == expected


def test_a_footer_that_ends_the_library_is_refused_before():
    """pyarrow 26 ends the process when asked for a chunk whose histogram has a wrong length."""
    data = written(pa.table({"a": ["x", None] * 20}))
    draw = random.Random(0)
    for _ in range(300):
        damaged = bytearray(data)
        for _ in range(draw.randrange(1, 4)):
            damaged[draw.randrange(len(data) // 2, len(data) - 8)] = draw.randrange(256)
        with suppress(pa.ArrowException, OSError):
            read_parquet(io.BytesIO(bytes(damaged)))


def test_nothing_of_ours_comes_near_a_limit():
    """A shard whose columns hold the same in every row, and features of a large shard."""
    rows = 20_000
    same = pa.table({"outcome": ["takedown"] * rows, "url": pa.nulls(rows, pa.string())})
    assert len(read_parquet(io.BytesIO(written(same)))) == rows
    features = pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(rows * 512, np.float16)), 512)
    assert len(read_parquet(io.BytesIO(written(pa.table({"feature": features}))))) == rows
