"""Cuts many lines at once where their separators stand."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from webbody.manifest.arrays import bool_array, int_array, text_array
from webbody.manifest.lines import LineBlock

_TAB, _NEWLINE, _RETURN, _BLANK = 9, 10, 13, 32


class CutLines:
    """Lines whose fields are parted by one byte, or by one blank or tab.

    Args:
        block: The lines.
        separator: The byte; None: a blank or a tab.
    """

    def __init__(self, block: LineBlock, separator: int | None) -> None:
        self._raw, self._data = pa.py_buffer(block.data), block.values
        limits = block.bounds.astype(np.int64)
        self._starts, ends = limits[:-1], limits[1:].copy()
        for mark in (_NEWLINE, _RETURN):
            ends -= (ends > self._starts) & (self._data[ends - 1] == mark)
        self._ends, self._blank = ends, separator is None
        self._every_other = int_array(np.arange(0, 2 * len(ends), 2, dtype=np.int32))
        if self._blank:
            self._marks = block.blanks
            self._first = np.append(0, block.ends + 1)[: len(ends)]
        else:
            self._marks = np.flatnonzero(self._data == separator)
            self._first = np.searchsorted(self._marks, self._starts)
        self._marks = np.append(self._marks, len(self._data))

    @property
    def separators(self) -> np.ndarray:
        """How many separators each line holds; where they are blanks, control characters too."""
        return np.diff(np.append(self._first, len(self._marks) - 1))

    def holding(self, byte: int) -> np.ndarray:
        """Which lines hold a byte before their end."""
        found = np.zeros(len(self._starts), bool)
        places = np.flatnonzero(self._data == byte)
        lines = np.searchsorted(self._starts, places, side="right") - 1
        found[lines[places < self._ends[lines]]] = True
        return found

    def fields(
        self, count: int, wanted: Sequence[int], odd: Iterable[int]
    ) -> tuple[dict[int, pa.StringArray], np.ndarray]:
        """Some of the first fields, and which lines are cut rightly.

        Args:
            count: Fields that a line has at least. Where they are parted by blanks, the last of
                them is the rest of the line, and none is empty.
            wanted: Positions from 0. Of lines that cannot be cut rightly the fields are empty.
            odd: Lines that are not to be cut.
        """
        lefts, rights = [self._starts], []
        for number in range(count - 1):
            rights.append(self._marks.take(self._first + number, mode="clip"))
            lefts.append(rights[-1] + 1)
        end = self._marks.take(self._first + count - 1, mode="clip")
        rights.append(self._ends if self._blank else np.minimum(end, self._ends))
        simple = (lefts[-1] <= self._ends) & (self._byte(self._ends - 1) != _RETURN)
        if self._blank:
            for left, right in zip(lefts, rights, strict=True):
                simple &= right > left
            for right in rights[:-1]:
                simple &= (self._byte(right) == _BLANK) | (self._byte(right) == _TAB)
            simple &= (self._byte(lefts[-1]) > _BLANK) & (self._byte(self._ends - 1) > _BLANK)
        simple[list(odd)] = False
        return {at: self._cut(lefts[at], rights[at], simple) for at in wanted}, simple

    def _byte(self, at: np.ndarray) -> np.ndarray:
        found: np.ndarray = self._data.take(at, mode="clip")
        return found

    def _cut(self, left: np.ndarray, right: np.ndarray, simple: np.ndarray) -> pa.StringArray:
        """What stands between two places of each line: every other piece of the text."""
        places = np.empty((len(left), 2), np.int32)
        places[:, 0] = np.where(simple, left, self._starts)
        places[:, 1] = np.where(simple, right, self._starts)
        pieces = pa.StringArray.from_buffers(2 * len(left) - 1, pa.py_buffer(places), self._raw)
        return pieces.take(self._every_other)


def replaced(
    columns: Mapping[str, pa.StringArray],
    places: Mapping[str, int],
    rows: Mapping[int, Sequence[str]],
) -> dict[str, pa.StringArray]:
    """Columns with other values in some rows.

    Args:
        columns: Name -> values.
        places: Name -> position of the column in a row's fields.
        rows: Row -> its fields.
    """
    if not rows:
        return dict(columns)
    numbers = sorted(rows)
    mask = np.zeros(len(next(iter(columns.values()))), bool)
    mask[numbers] = True
    found = {}
    for name, column in columns.items():
        values = [rows[number][places[name]] for number in numbers]
        found[name] = pc.replace_with_mask(column, bool_array(mask), text_array(values))
    return found
