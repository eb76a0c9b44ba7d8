"""The rows of text lists: `index label url`, or columns by position.

A regular expression says what a line must be. Lines as nearly all are, whose fields are parted by
one separator each, are cut all at once without it, to the same result: it would take most of the
time.
"""

import re
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from webbody.manifest.arrays import int_array
from webbody.manifest.cutting import CutLines, replaced
from webbody.manifest.lines import BLANK, EXCERPT, LineBlock, problem_column

_ZERO, _NINE, _MINUS = 48, 57, 45
_BLANKS = r"[ \t\f\v\r\n]"
_NO_BLANK = r"[^ \t\f\v\r\n]"


@dataclass(frozen=True)
class TextDialect:
    """How a line of a text list becomes a row.

    Args:
        separator: What parts the fields; a blank stands for any number of blanks and tabs, and the
            last column then takes the rest of the line, as a URL may contain blanks.
        columns: What a row has -> position of the field (from 0).
        integers: Positions of fields that must be integers, or the line is no row.
        layout_text: The layout as it is called where a line does not have it.
    """

    separator: str
    columns: dict[str, int]
    integers: tuple[int, ...]
    layout_text: str

    @classmethod
    def of(cls, separator: str, columns: dict[str, str] | None) -> "TextDialect":
        """The dialect of lists with these columns, name -> position from 1; None: the authors'."""
        if columns is None:
            return cls(separator, {"url": 2, "name": 1}, (0, 1), "index label url")
        places = {name: int(at) - 1 for name, at in columns.items()}
        return cls(separator, places, (), f"{max(places.values()) + 1} columns")

    def parse(self, block: LineBlock) -> pa.RecordBatch:
        """A row for each line: lines (1), url, name, sha256, problem and the columns kept."""
        texts, problems = block.texts()
        count = 1 + max(self.columns.values())
        wanted = sorted({*self.columns.values(), *self.integers})
        separator = None if self.separator == " " else ord(self.separator)
        cut, simple = CutLines(block, separator).fields(count, wanted, problems)
        for at in self.integers:
            simple &= _integers(cut[at], minus=at > 0)
        rows: dict[int, list[str]] = {}
        for line in np.flatnonzero(~simple).tolist():
            if line in problems:
                continue
            found = self._fields(texts[line].as_py())
            if isinstance(found, list):
                rows[line] = found
            else:
                problems[line] = found
        columns = {name: cut[at] for name, at in self.columns.items()}
        values = replaced(columns, self.columns, rows)
        first = {"lines": int_array(np.ones(len(texts), np.int64))}
        first |= {"url": values.pop("url"), "name": values.pop("name")}
        first |= {"sha256": values.pop("sha256", pa.nulls(len(texts), pa.string()))}
        return pa.record_batch({**first, "problem": problem_column(problems, len(texts)), **values})

    def _fields(self, line: str) -> list[str] | str:
        """The fields, or why the line is no row."""
        found = re.match(self.pattern, line.rstrip("\r\n"))
        if found is not None:
            return list(found.groups())
        text = line.strip(" \t\f\v\r\n")
        return f"not `{self.layout_text}`: {text[:EXCERPT]}" if text else BLANK

    @property
    def pattern(self) -> str:
        """The regular expression of a line that is a row; it has a group for each field."""
        last = max(self.columns.values())
        if self.separator != " ":
            mark = re.escape(self.separator)
            return "(?s)" + mark.join(f"([^{mark}]*)" for _ in range(last + 1))
        fields = [f"({self._field(at)})" for at in range(last)]
        fields.append(f"({_NO_BLANK}.*?)")
        return rf"(?s){_BLANKS}*" + f"{_BLANKS}+".join(fields) + rf"{_BLANKS}*\Z"

    def _field(self, at: int) -> str:
        if at in self.integers:
            return "-?[0-9]+" if at else "[0-9]+"
        return f"{_NO_BLANK}+"


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
