"""What a Parquet file declares, held to limits before memory is taken for it.

A file of a few kilobytes can declare a billion rows, pages of gigabytes, or a long text that a
dictionary repeats in every row.
"""

import os
from collections.abc import Sequence
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

Source = IO[bytes] | str | os.PathLike[str]
#: Bytes of the footer, which grows to a hundred times as much in memory; row groups, or columns.
FOOTER, CONTAINERS, COLUMNS = 1 << 24, 100_000, 10_000
#: So much is always taken; beyond it limits go by the size of the file. Rows, bytes.
ROWS, BYTES = 10_000_000, 1 << 28
#: Rows that a byte of a file may stand for, and uncompressed bytes.
ROWS_A_BYTE, UNCOMPRESSED = 100, 200


def file_size(source: Source) -> int:
    """Bytes of a file, which stays where it stands."""
    return _ending(source)[0]


def check_footer(source: Source) -> int:
    """The size of the file; raises pyarrow.ArrowInvalid where its footer is longer than FOOTER."""
    size, length = _ending(source)
    if length > FOOTER:
        raise pa.ArrowInvalid(f"its footer has {length:,} bytes, at most {FOOTER:,} are read")
    return size


def check_declared(metadata: pq.FileMetaData, size: int) -> None:
    """Raises pyarrow.ArrowInvalid where a file of `size` bytes declares more than can be in it."""
    if metadata.num_columns > COLUMNS:
        raise pa.ArrowInvalid(f"it has {metadata.num_columns:,} columns, at most {COLUMNS:,}")
    if metadata.num_rows > max(ROWS, ROWS_A_BYTE * size):
        raise pa.ArrowInvalid(f"it declares {metadata.num_rows:,} rows in {size:,} bytes")
    for group in range(metadata.num_row_groups):
        row_group = metadata.row_group(group)
        if row_group.total_byte_size <= BYTES and row_group.num_rows <= ROWS:
            continue
        for number in range(row_group.num_columns):
            column = row_group.column(number)
            packed, whole = column.total_compressed_size, column.total_uncompressed_size
            if whole > max(BYTES, UNCOMPRESSED * min(packed, size)):
                raise pa.ArrowInvalid(f"it declares {whole:,} bytes in {packed:,} compressed ones")
            if column.num_values > max(ROWS, ROWS_A_BYTE * size):
                raise pa.ArrowInvalid(f"it declares {column.num_values:,} values in {size:,} bytes")


def repeated_texts(metadata: pq.FileMetaData, most: int) -> list[str]:
    """Columns of texts that a dictionary repeats, perhaps to more than `most` bytes."""
    found = []
    for group in range(metadata.num_row_groups):
        row_group = metadata.row_group(group)
        for number in range(row_group.num_columns):
            column = row_group.column(number)
            repeats = any("DICT" in encoding for encoding in column.encodings)
            possible = column.num_values * column.total_uncompressed_size
            if column.physical_type == "BYTE_ARRAY" and repeats and possible > most:
                found.append(column.path_in_schema)
    return sorted(set(found))


def declared_bytes(metadata: pq.FileMetaData, columns: Sequence[str] | None) -> int:
    """What a table of some columns, or of all, takes at least as its file declares it."""
    found = 0
    for group in range(metadata.num_row_groups):
        row_group = metadata.row_group(group)
        for number in range(row_group.num_columns):
            column = row_group.column(number)
            if columns is None or column.path_in_schema.split(".")[0] in columns:
                found += max(column.total_uncompressed_size, 4 * column.num_values)
    return found


def table_bytes(size: int) -> int:
    """What a table may take that comes whole out of a file of this size."""
    return max(8 * BYTES, UNCOMPRESSED * size)


def _ending(source: Source) -> tuple[int, int]:
    """Bytes of a file, and of its footer as it says; a file that is open stays where it stands."""
    if isinstance(source, str | os.PathLike):
        with open(source, "rb") as file:
            return _ending(file)
    at = source.tell()
    size = source.seek(0, os.SEEK_END)
    source.seek(max(0, size - 8))
    end = source.read(8)
    source.seek(at)
    return size, int.from_bytes(end[:4], "little") if end.endswith(b"PAR1") else 0
