"""What a Parquet file declares, held to limits before memory is taken for it.

A file of a few kilobytes can declare a billion rows, pages of gigabytes, or a long text that a
dictionary repeats in every row.
"""

import os
from collections.abc import Sequence
from typing import IO

import pyarrow as pa

from webbody.parquet_footer import DeclaredFile, read_footer

Source = IO[bytes] | str | os.PathLike[str]
#: Bytes of a footer; columns, with the nodes of nested ones.
FOOTER, COLUMNS = 1 << 24, 10_000
#: So much is always taken; beyond it limits go by the size of the file. Rows, bytes.
ROWS, BYTES = 10_000_000, 1 << 28
#: Rows that a byte of a file may stand for, and uncompressed bytes.
ROWS_A_BYTE, UNCOMPRESSED = 100, 200
_END = 8


def declared(source: Source) -> DeclaredFile:
    """What a file declares; one that is open stays where it stands.

    Raises:
        pyarrow.ArrowInvalid: It declares more than can be in it, is cut off or is no Parquet file.
        OSError: It cannot be read.
    """
    size, footer = _footer(source)
    file = read_footer(footer)
    if file.columns > COLUMNS:
        raise pa.ArrowInvalid(f"it has {file.columns:,} columns, at most {COLUMNS:,} are read")
    if file.rows > max(ROWS, ROWS_A_BYTE * size):
        raise pa.ArrowInvalid(f"it declares {file.rows:,} rows in {size:,} bytes")
    for chunk in file.chunks:
        if chunk.unpacked > max(BYTES, UNCOMPRESSED * min(chunk.packed, size)):
            raise pa.ArrowInvalid(
                f"it declares {chunk.unpacked:,} bytes in {chunk.packed:,} compressed ones"
            )
        if 4 * chunk.values > max(8 * BYTES, UNCOMPRESSED * size):
            raise pa.ArrowInvalid(f"it declares {chunk.values:,} values in {size:,} bytes")
    return file


def repeated_texts(file: DeclaredFile, most: int) -> set[str]:
    """Columns of texts that a dictionary repeats, perhaps to more than `most` bytes."""
    return {
        chunk.column
        for chunk in file.chunks
        if chunk.repeats and chunk.values * chunk.unpacked > most
    }


def declared_bytes(file: DeclaredFile, columns: Sequence[str] | None) -> int:
    """What a table of some columns, or of all, takes at least as its file declares it."""
    return sum(
        max(chunk.unpacked, 4 * chunk.values)
        for chunk in file.chunks
        if columns is None or chunk.column in columns
    )


def table_bytes(source: Source) -> int:
    """What a table may take that comes whole out of a file."""
    return max(8 * BYTES, UNCOMPRESSED * _ending(source)[0])


def _footer(source: Source) -> tuple[int, bytes]:
    """Bytes of a file, and its footer."""
    if isinstance(source, str | os.PathLike):
        with open(source, "rb") as file:
            return _footer(file)
    size, end = _ending(source)
    length = int.from_bytes(end[:4], "little")
    if end[4:] != b"PAR1" or length > size - _END:
        raise pa.ArrowInvalid("it does not end as a Parquet file does")
    if length > FOOTER:
        raise pa.ArrowInvalid(f"its footer has {length:,} bytes, at most {FOOTER:,} are read")
    at = source.tell()
    source.seek(size - _END - length)
    footer = source.read(length)
    source.seek(at)
    return size, footer


def _ending(source: Source) -> tuple[int, bytes]:
    """Bytes of a file, and the last _END of them."""
    if isinstance(source, str | os.PathLike):
        with open(source, "rb") as file:
            return _ending(file)
    at = source.tell()
    size = source.seek(0, os.SEEK_END)
    source.seek(max(0, size - _END))
    end = source.read(_END)
    source.seek(at)
    return size, end
