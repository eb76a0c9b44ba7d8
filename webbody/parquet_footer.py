"""What the footer of a Parquet file declares, read before the library makes its own of it.

The library takes much more memory than the bytes of small structures, and ends the process at some
that are damaged. Footers are in Thrift's compact protocol
(https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md), their fields in
https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

#: Structures of a footer: a column of a row group has about eight.
STRUCTURES = 500_000
_BYTE_ARRAY, _DICTIONARIES = 6, (2, 8)
_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = 1, 2, 3, 7, 8, 9, 10, 11, 12
_DEEPEST = 40


@dataclass(frozen=True)
class DeclaredChunk:
    """A column of a row group.

    Args:
        column: The first name of its path in the schema.
        values: How many, also those within lists.
        packed, unpacked: Bytes in the file and after decompression.
        repeats: Whether it holds texts or bytes, not within lists, out of a dictionary.
    """

    column: str
    values: int
    packed: int
    unpacked: int
    repeats: bool


@dataclass(frozen=True)
class DeclaredFile:
    """rows: of the file. columns: leaves of its schema at most. chunks: of all row groups."""

    rows: int
    columns: int
    groups: int
    chunks: list[DeclaredChunk]


def read_footer(data: bytes) -> DeclaredFile:
    """Raises pyarrow.ArrowInvalid where it is damaged, or has more structures than any list has."""
    try:
        return _Footer(data).file()
    except pa.ArrowInvalid:
        raise
    except (IndexError, RecursionError, ValueError) as error:
        raise pa.ArrowInvalid("its footer is damaged") from error


class _Footer:
    def __init__(self, data: bytes) -> None:
        self._data, self._at, self._structures = data, 0, 0

    def file(self) -> DeclaredFile:
        rows, columns, groups = 0, 0, 0
        chunks: list[DeclaredChunk] = []
        for field, kind in self._fields():
            if field == 2 and kind == _LIST:
                columns = self._list(kind)
            elif field == 3:
                rows = self._integer()
            elif field == 4 and kind == _LIST:
                groups, element = self._list_head()
                self._expect(element)
                for _ in range(groups):
                    self._row_group(chunks)
            else:
                self._skip(kind, 0)
        return DeclaredFile(rows, columns, groups, chunks)

    def _row_group(self, chunks: list[DeclaredChunk]) -> None:
        for field, kind in self._fields():
            if field != 1 or kind != _LIST:
                self._skip(kind, 0)
                continue
            size, element = self._list_head()
            self._expect(element)
            for _ in range(size):
                for of_chunk, kind_of in self._fields():
                    if of_chunk == 3 and kind_of == _STRUCT:
                        chunks.append(self._chunk())
                    else:
                        self._skip(kind_of, 0)

    def _chunk(self) -> DeclaredChunk:
        found = {1: 0, 5: 0, 6: 0, 7: 0}
        encodings, path = list[int](), list[str]()
        for field, kind in self._fields():
            if field in found and kind in (5, 6):
                found[field] = self._integer()
            elif field in (2, 3) and kind == _LIST:
                size, element = self._list_head()
                for _ in range(size):
                    if field == 2 and element == 5:
                        encodings.append(self._integer())
                    elif field == 3 and element == _BINARY:
                        path.append(self._binary().decode(errors="replace"))
                    else:
                        self._skip(element, 0)
            else:
                self._skip(kind, 0)
        texts = found[1] == _BYTE_ARRAY and len(path) == 1
        repeats = texts and any(one in _DICTIONARIES for one in encodings)
        return DeclaredChunk(path[0] if path else "", found[5], found[7], found[6], repeats)

    def _fields(self) -> Iterator[tuple[int, int]]:
        """Number and type of each field of a structure, whose value is then to be read."""
        self._structures += 1
        if self._structures > STRUCTURES:
            raise pa.ArrowInvalid(f"its footer has more than {STRUCTURES:,} structures")
        field = 0
        while head := self._byte():
            field = field + (head >> 4) if head >> 4 else self._integer()
            yield field, head & 15

    def _skip(self, kind: int, depth: int) -> None:
        if depth > _DEEPEST:
            raise ValueError("nested too deep")
        if kind in (_TRUE, _FALSE):
            return
        if kind in (_BYTE, _DOUBLE):
            self._at += 1 if kind == _BYTE else 8
        elif kind in (4, 5, 6):
            self._varint()
        elif kind == _BINARY:
            self._binary()
        elif kind in (_LIST, _SET):
            self._list(kind, depth)
        elif kind == _MAP:
            if size := self._varint():
                kinds = self._byte()
                for _ in range(size):
                    self._skip_element(kinds >> 4, depth)
                    self._skip_element(kinds & 15, depth)
        elif kind == _STRUCT:
            for _, inner in self._fields():
                self._skip(inner, depth + 1)
        else:
            raise ValueError(f"type {kind}")

    def _skip_element(self, kind: int, depth: int) -> None:
        """In lists and maps a truth value has a byte of its own."""
        self._skip(_BYTE if kind in (_TRUE, _FALSE) else kind, depth + 1)

    def _list(self, kind: int, depth: int = 0) -> int:
        """Skip a list; how many elements it has."""
        size, element = self._list_head()
        for _ in range(size):
            self._skip_element(element, depth)
        return size

    def _list_head(self) -> tuple[int, int]:
        head = self._byte()
        size = head >> 4
        size = self._varint() if size == 15 else size
        if size > len(self._data):
            raise ValueError("longer than the footer")
        return size, head & 15

    def _expect(self, element: int) -> None:
        if element != _STRUCT:
            raise ValueError("no structures")

    def _byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def _varint(self) -> int:
        value, shift = 0, 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
            if shift > 70:
                raise ValueError("a number is too long")

    def _integer(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)

    def _binary(self) -> bytes:
        size = self._varint()
        begin = self._at
        self._at += size
        if self._at > len(self._data):
            raise IndexError
        return self._data[begin : self._at]
