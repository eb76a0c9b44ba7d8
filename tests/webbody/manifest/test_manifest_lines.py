"""Every line of a file is given once, whatever is in it and however the file is cut into blocks."""

import bz2
import gzip

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from webbody.errors import WebbodyError
from webbody.manifest import lines
from webbody.manifest.lines import LineCount, TextFile


def read(path):
    """(text, problem) of each line, and how many were counted."""
    count, found = LineCount(), []
    for block in TextFile(path, "list", count).blocks():
        texts, problems = block.texts()
        found += [(text, problems.get(at)) for at, text in enumerate(texts.to_pylist())]
    return found, count.lines


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    parts=st.lists(st.sampled_from([b"a", b"\xc3\xbc", b"\xff", b"\n", b"\r\n", b" ", b"\r"])),
    block=st.integers(1, 9),
)
def test_the_size_of_blocks_changes_nothing(tmp_path, monkeypatch, parts, block):
    path = tmp_path / "list.txt"
    data = b"\n" + b"".join(parts)
    path.write_bytes(data)
    monkeypatch.setattr(lines, "BLOCK", block)
    found, count = read(path)
    expected = data.splitlines(keepends=True) if b"\r" not in data else None
    if expected is None:  # bytes.splitlines ends lines at a lone CR, too
        expected = [part + b"\n" for part in data.split(b"\n")]
        expected[-1] = expected[-1][:-1]
        expected = [line for line in expected if line]
    assert count == len(found) == len(expected)
    for (text, problem), raw in zip(found, expected, strict=True):
        assert (problem is None) == (b"\xff" not in raw)
        assert text == raw.decode(errors="replace")


def test_lines_of_old_systems_end_with_cr_alone(tmp_path):
    path = tmp_path / "list.txt"
    path.write_bytes(b"one\rtwo\rthree")
    assert [text for text, _ in read(path)[0]] == ["one\r", "two\r", "three"]


def test_a_mark_is_left_out(tmp_path):
    path = tmp_path / "list.txt"
    path.write_bytes(b"\xef\xbb\xbfone\n\xef\xbb\xbftwo\n")
    assert [text for text, _ in read(path)[0]] == ["one\n", "\ufefftwo\n"]


def test_a_line_that_is_too_long_is_one_line_and_is_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "BLOCK", 1000)
    monkeypatch.setattr(lines, "MAX_LINE", 3000)
    path = tmp_path / "list.txt"
    for length in (2999, 3001, 9000, 20_000):
        path.write_bytes(b"before\n" + b"x" * (length - 1) + b"\nafter\n")
        found, count = read(path)
        assert count == 3 and [found[0], found[2]] == [("before\n", None), ("after\n", None)]
        if length > 3000:
            assert f"a line of {length:,} bytes" in found[1][1]
            assert len(found[1][0]) <= lines.EXCERPT
        else:
            assert found[1] == ("x" * (length - 1) + "\n", None)


def compressed(kind, data):
    if kind == "gzip":
        return gzip.compress(data[:50]) + gzip.compress(data[50:])  # as `cat a.gz b.gz` makes
    if kind == "bz2":
        return bz2.compress(data)
    return b"".join(pa.compress(part, "zstd", asbytes=True) for part in (data[:50], data[50:]))


@pytest.mark.parametrize("kind", ["gzip", "zstd", "bz2"])
def test_compressed_files_are_read_to_their_end_or_refused(tmp_path, kind):
    data = b"".join(b"%d 7 http://a/%d.jpg\n" % (i, i * i) for i in range(5000))
    path = tmp_path / "list"
    path.write_bytes(data)
    plain = read(path)
    whole = compressed(kind, data)
    path.write_bytes(whole)
    assert read(path) == plain
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(WebbodyError, match=r"list: cannot be uncompressed after .* get it again"):
        read(path)
