"""The rows of text lists: `index label url`, or columns by position.

A regular expression says what a line must be. Lines as nearly all are, whose fields are parted by
one separator each, are cut all at once without it, to the same result: it would take most of the
time.
"""

import re
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from webbody.manifest.lines import BLANK, EXCERPT, LineBlock, problem_column

_BLANK, _TAB, _NEWLINE, _RETURN = 32, 9, 10, 13
_ZERO, _NINE, _MINUS = 48, 57, 45
_BLANKS = r"[ \t\f\v\r\n]"
_NO_BLANK = r"[^ \t\f\v\r\n]"


@dataclass(frozen=True)
class TextDialect:
    """How a line of a text list becomes a row.

    Args:
        separator: What parts the fields; a blank stands for any number of blanks and tabs, and the
            last column then takes the rest of the line, as a URL may contain blanks.
        columns: Position (from 1) -> what the column is called in a row.
        integers: Positions of fields that must be integers, or the line is no row.
        told: The layout as it is called where a line does not have it.
    """

    separator: str
    columns: dict[int, str]
    integers: tuple[int, ...]
    told: str

    @classmethod
    def of(cls, separator: str, columns: dict[str, str] | None) -> "TextDialect":
        """The dialect of lists with these columns, name -> position; None: the authors'."""
        if columns is None:
            return cls(separator, {2: "name", 3: "url"}, (1, 2), "index label url")
        places = {int(at): name for name, at in columns.items()}
        return cls(separator, places, (), f"{max(places)} columns")

    def parse(self, block: LineBlock) -> pa.RecordBatch:
        """A row for each line: lines (1), url, name, sha256, problem and the columns kept."""
        texts, problems = block.texts()
        fields, simple = _Lines(texts, ord(self.separator)).fields(max(self.columns))
        for at in self.integers:
            simple &= _integers(fields[at - 1], minus=at != 1)
        values = {name: fields[at - 1] for at, name in self.columns.items()}
        odd = np.flatnonzero(~simple)
        if len(odd):
            matched = [self._fields(texts[row].as_py()) for row in odd.tolist()]
            for row, found in zip(odd.tolist(), matched, strict=True):
                if isinstance(found, str):
                    problems.setdefault(row, found)
            for name, column in values.items():
                new = [None if isinstance(found, str) else found[name] for found in matched]
                mask, new_texts = pa.array(~simple), pa.array(new, pa.string())
                values[name] = pc.replace_with_mask(column, mask, new_texts)
        rows = len(texts)
        columns = {"lines": pa.array(np.ones(rows, np.int64)), "url": values.pop("url")}
        columns |= {"name": values.pop("name")}
        columns |= {"sha256": values.pop("sha256", pa.nulls(rows, pa.string()))}
        return pa.record_batch({**columns, "problem": problem_column(problems, rows), **values})

    def _fields(self, line: str) -> dict[str, str] | str:
        """What the columns hold, or why the line is no row."""
        found = re.match(self.pattern, line.rstrip("\r\n"))
        if found is not None:
            return {name: found[f"c{at}"] for at, name in self.columns.items()}
        text = line.strip(" \t\f\v\r\n")
        return f"not `{self.told}`: {text[:EXCERPT]}" if text else BLANK

    @property
    def pattern(self) -> str:
        """The regular expression of a line that is a row; its groups are c1, c2, ..."""
        last = max(self.columns)
        if self.separator != " ":
            other = f"[^{re.escape(self.separator)}]*"
            fields = [f"(?P<c{at}>{other})" for at in range(1, last + 1)]
            return "(?s)" + re.escape(self.separator).join(fields)
        fields = [f"(?P<c{at}>{self._field(at)})" for at in range(1, last)]
        fields.append(rf"(?P<c{last}>{_NO_BLANK}.*?)")
        return rf"(?s){_BLANKS}*" + f"{_BLANKS}+".join(fields) + rf"{_BLANKS}*\Z"

    def _field(self, at: int) -> str:
        if at in self.integers:
            return "[0-9]+" if at == 1 else "-?[0-9]+"
        return f"{_NO_BLANK}+"


class _Lines:
    """Lines that can be cut where the first separators stand.

    Args:
        texts: Lines with their ends.
        separator: The byte that parts fields; for a blank also a tab.
    """

    def __init__(self, texts: pa.StringArray, separator: int) -> None:
        _, bounds, data = texts.buffers()
        self._raw, self._data = data, np.frombuffer(data, np.uint8)
        limits = np.frombuffer(bounds, np.int32)[: len(texts) + 1].astype(np.int64)
        self._starts, ends = limits[:-1], limits[1:].copy()
        for mark in (_NEWLINE, _RETURN):
            ends -= (ends > self._starts) & (self._data[ends - 1] == mark)
        self._ends, self._blank = ends, separator == _BLANK
        self._every_other = pa.array(np.arange(0, 2 * len(texts), 2, dtype=np.int32))
        is_mark = self._data <= _BLANK if self._blank else self._data == separator
        self._marks = np.append(np.flatnonzero(is_mark), len(self._data))

    def fields(self, count: int) -> tuple[list[pa.StringArray], np.ndarray]:
        """The first fields, and which lines are cut rightly; of the others the fields are empty."""
        first = np.searchsorted(self._marks, self._starts)
        last = len(self._marks) - 1
        lefts, rights = [self._starts], []
        for number in range(count - 1):
            rights.append(self._marks[np.minimum(first + number, last)])
            lefts.append(rights[-1] + 1)
        if self._blank:
            rights.append(self._ends)
        else:
            rights.append(np.minimum(self._marks[np.minimum(first + count - 1, last)], self._ends))
        simple = (lefts[-1] <= self._ends) & (self._byte(self._ends - 1) != _RETURN)
        if self._blank:
            for left, right in zip(lefts, rights, strict=True):
                simple &= right > left
            for right in rights[:-1]:
                simple &= (self._byte(right) == _BLANK) | (self._byte(right) == _TAB)
            simple &= (self._byte(lefts[-1]) > _BLANK) & (self._byte(self._ends - 1) > _BLANK)
        return [self._cut(*both, simple) for both in zip(lefts, rights, strict=True)], simple

    def _byte(self, at: np.ndarray) -> np.ndarray:
        found: np.ndarray = self._data[np.clip(at, 0, len(self._data) - 1)]
        return found

    def _cut(self, left: np.ndarray, right: np.ndarray, simple: np.ndarray) -> pa.StringArray:
        """What stands between two places of each line: every other piece of the text."""
        places = np.empty((len(left), 2), np.int32)
        places[:, 0] = np.where(simple, left, self._starts)
        places[:, 1] = np.where(simple, right, self._starts)
        pieces = pa.StringArray.from_buffers(2 * len(left) - 1, pa.py_buffer(places), self._raw)
        return pieces.take(self._every_other)


def _integers(texts: pa.StringArray, minus: bool) -> np.ndarray:
    """Which texts are digits alone, behind a minus where that may be."""
    _, bounds, data = texts.buffers()
    fine = np.ones(len(texts), bool)
    if data is None or not len(data):
        return fine
    limits = np.frombuffer(bounds, np.int32)[: len(texts) + 1].astype(np.int64)
    values = np.frombuffer(data, np.uint8)[: limits[-1]]
    odd = (values < _ZERO) | (values > _NINE)
    if minus:
        signed = np.flatnonzero(np.diff(limits) > 1)
        firsts = limits[:-1][signed]
        odd[firsts] &= values[firsts] != _MINUS
    fine[np.searchsorted(limits, np.flatnonzero(odd), side="right") - 1] = False
    return fine
