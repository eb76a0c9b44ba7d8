"""The lines of a text file of any size, plain or compressed, in blocks.

Every line counts, also one that is no text or longer than memory should hold: so whoever reads a
list can say of each line of the file what became of it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from webbody.errors import WebbodyError
from webbody.manifest.arrays import bits, text_array

#: Longer lines are no row of any list; only the beginning of one is kept.
MAX_LINE = 10_000_000
#: Bytes that are read at once: a block holds the lines that end in them.
BLOCK = 1 << 22
#: How much is kept of a line that is no row, for whoever looks for it; characters.
EXCERPT = 200
#: What is wrong with a line that holds nothing.
BLANK = "a blank line"

_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bz2"}
#: Endings of compressed files, which say nothing about what is in them.
COMPRESSED = (".gz", ".zst", ".zstd", ".bz2")
_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class LineBlock:
    """Some lines of a file with their ends: LF (CRLF ends with it, too), or CR where no LF is.

    Args:
        data: Their bytes; only the last line of the file may lack its end.
        end: The byte that ends a line.
        skipped: How many bytes of the first line were skipped, because it is too long.
    """

    data: bytes
    end: bytes
    skipped: int

    @cached_property
    def values(self) -> np.ndarray:
        """The bytes as numbers."""
        return np.frombuffer(self.data, np.uint8)

    @cached_property
    def blanks(self) -> np.ndarray:
        """Where blanks and control characters stand, among them the ends of lines."""
        return np.flatnonzero(self.values <= ord(" "))

    @cached_property
    def ends(self) -> np.ndarray:
        """Which of the `blanks` end a line."""
        return np.flatnonzero(self.values[self.blanks] == self.end[0])

    @cached_property
    def bounds(self) -> np.ndarray:
        """Where each line begins, and the end of the last one; int32."""
        stops = self.blanks[self.ends] + 1
        if not self.data.endswith(self.end):
            stops = np.append(stops, len(self.data))
        return np.concatenate([[0], stops]).astype(np.int32)

    def texts(self) -> tuple[pa.StringArray, dict[int, str]]:
        """Each line as text, and what is wrong with some of them by their number in the block."""
        bounds = self.bounds
        buffers = (pa.py_buffer(bounds), pa.py_buffer(self.data))
        lines = pa.StringArray.from_buffers(len(bounds) - 1, *buffers)
        lengths = np.diff(bounds).astype(np.int64)
        lengths[0] += self.skipped
        problems = {
            int(i): f"a line of {lengths[i]:,} bytes, at most {MAX_LINE:,} are read"
            for i in np.flatnonzero(lengths > MAX_LINE)
        }
        return valid_texts(lines, problems)


@dataclass
class LineCount:
    """Lines of a file that have been read, its header with them."""

    lines: int = 0


class TextFile:
    """A text file that gives its lines from the first to the last.

    Args:
        file: What is read; gzip, zstd and bzip2 are known by their first bytes.
        label: What the file is called in errors.
        count: Is raised by the lines that are given.
    """

    def __init__(self, file: Path, label: str, count: LineCount) -> None:
        self._file, self._label, self._count = file, label, count

    def blocks(self) -> Iterator[LineBlock]:
        """All lines. A mark at the beginning of UTF-8 text is left out.

        Raises:
            WebbodyError: The file cannot be uncompressed to its end.
        """
        for block in self._blocks():
            self._count.lines += len(block.bounds) - 1
            yield block

    def _blocks(self) -> Iterator[LineBlock]:
        pending, end, skipped, read = b"", b"", 0, 0
        with open_text(self._file) as stream:
            while data := self._read(stream, read):
                if not read:
                    end = b"\r" if b"\r" in data and b"\n" not in data else b"\n"
                read += len(data)
                if read == len(data):
                    data = data.removeprefix(_MARK)
                stop = data.rfind(end) + 1
                if stop:
                    whole = b"".join((pending, memoryview(data)[:stop]))
                    yield LineBlock(whole, end, skipped)
                    pending, skipped = data[stop:], 0
                elif len(pending) + len(data) > MAX_LINE:
                    skipped += len(pending) + len(data) - 4 * EXCERPT
                    pending = (pending + data)[: 4 * EXCERPT]
                else:
                    pending += data
        if pending:
            yield LineBlock(pending, end, skipped)

    def _read(self, stream: IO[bytes], read: int) -> bytes:
        """The next BLOCK bytes, fewer only at the end of the file."""
        parts, size = [], 0
        try:
            while size < BLOCK and (data := stream.read(BLOCK - size)):
                parts.append(data)
                size += len(data)
        except (OSError, EOFError) as error:
            raise WebbodyError(
                f"{self._label}: cannot be uncompressed after {read + size:,} bytes of text "
                f"({error}); the file is damaged or was cut off, get it again."
            ) from error
        return b"".join(parts)


def open_text(file: Path) -> IO[bytes]:
    """The file's bytes as they were before they were compressed: gzip, zstd or bzip2, or not."""
    with file.open("rb") as stream:
        head = stream.read(4)
    for magic, codec in _MAGIC.items():
        if head.startswith(magic):
            opened: IO[bytes] = pa.CompressedInputStream(pa.OSFile(str(file)), codec)
            return opened
    return file.open("rb", buffering=0)


def valid_texts(texts: pa.Array, problems: dict[int, str]) -> tuple[pa.StringArray, dict[int, str]]:
    """Texts of which each is UTF-8, and what is wrong with some of them: index -> why.

    `problems` are those known already. Of a text with a problem only an excerpt is kept.
    """
    try:
        texts.validate(full=True)
        if not problems:
            return texts, {}
        values = texts.to_pylist()
    except pa.ArrowInvalid:
        values = pc.cast(texts, pa.binary(), safe=False).to_pylist()
        for index, raw in enumerate(values):
            try:
                values[index] = None if raw is None else raw.decode()
            except UnicodeDecodeError as error:
                byte = error.object[error.start]
                problems.setdefault(index, f"not UTF-8: byte {error.start + 1} is 0x{byte:02x}")
                values[index] = raw.decode(errors="replace")
    for index in problems:
        values[index] = values[index][:EXCERPT]
    return text_array(values), problems


def problem_column(problems: Mapping[int, str | None], rows: int) -> pa.StringArray:
    """What is wrong with each row, null where nothing is."""
    known = sorted((row, why.encode()) for row, why in problems.items() if why is not None)
    if not known:
        return pa.nulls(rows, pa.string())
    there = np.zeros(rows, bool)
    there[[row for row, _ in known]] = True
    lengths = np.zeros(rows + 1, np.int32)
    lengths[[row + 1 for row, _ in known]] = [len(why) for _, why in known]
    data = b"".join(why for _, why in known)
    bounds = pa.py_buffer(np.cumsum(lengths, dtype=np.int32))
    return pa.StringArray.from_buffers(rows, bounds, pa.py_buffer(data), bits(there))
