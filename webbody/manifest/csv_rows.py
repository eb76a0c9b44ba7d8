"""The rows of CSV, each line for itself, so that a broken line costs no other one.

A quote that is opened and not closed would otherwise swallow what follows. Lines count as one row
only where they are as wide as the header together and no URL, name or digest has a line break.
"""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pyarrow as pa

from webbody.manifest.lines import BLANK, EXCERPT, LineBlock

#: Lines over which a quoted field may go on.
MOST_LINES = 100


@dataclass
class CsvLine:
    """A line of the file, or a row that begins there: its fields, or what is wrong with it."""

    text: str
    problem: str | None
    fields: list[str] | None = None
    lines: int = 1


@dataclass(frozen=True)
class CsvDialect:
    """How the lines of a CSV file become rows.

    Args:
        separator: What stands between fields.
        width: Fields of a row, as the header has; 0: any number that holds all columns.
        columns: Position (from 0) of url, name and, where there is one, sha256.
        kept: Position of further columns; only these may hold line breaks.
    """

    separator: str
    width: int
    columns: dict[str, int]
    kept: dict[str, int]

    def rows(self, blocks: Iterable[LineBlock], header: bool) -> Iterator[pa.RecordBatch]:
        """Batches of (lines, url, name, sha256, problem and the columns kept), the header apart."""
        held: list[CsvLine] = []
        for number, block in enumerate(blocks):
            array, problems = block.texts()
            texts = array.to_pylist()
            if header and number == 0:
                texts, problems = texts[1:], {at - 1: why for at, why in problems.items()}
            whole = None if held or problems else self._whole(texts)
            if whole is not None:
                yield self._table([CsvLine("", None, fields) for fields in whole])
                continue
            held += [CsvLine(text, problems.get(at)) for at, text in enumerate(texts)]
            found, held = self._one_by_one(held, last=False)
            yield self._table(found)
        if held:
            yield self._table(self._one_by_one(held, last=True)[0])

    def _whole(self, texts: list[str]) -> list[list[str]] | None:
        """The fields of lines that are all whole rows, as nearly all are; else None."""
        try:
            found = list(csv.reader(texts, delimiter=self.separator, strict=True))
        except csv.Error:
            return None
        fits = len(found) == len(texts) and all(self._problem(row) is None for row in found)
        return found if fits else None

    def _one_by_one(self, lines: list[CsvLine], last: bool) -> tuple[list[CsvLine], list[CsvLine]]:
        """Rows, and lines that may go on in what has not been read yet."""
        found: list[CsvLine] = []
        at = 0
        while at < len(lines):
            line = lines[at]
            if line.problem is None and line.text.count('"') % 2:
                stop = _closing(lines, at)
                if stop is None and not last and len(lines) - at < MOST_LINES:
                    return found, lines[at:]
                if stop is not None and (row := self._joined(lines[at : stop + 1])):
                    found.append(row)
                    at = stop + 1
                    continue
            found.append(self._alone(line))
            at += 1
        return found, []

    def _joined(self, lines: list[CsvLine]) -> CsvLine | None:
        row = self._alone(CsvLine("".join(line.text for line in lines), None))
        if row.fields is None or self._broken(row.fields):
            return None
        return CsvLine("", None, row.fields, len(lines))

    def _broken(self, fields: list[str]) -> bool:
        """Whether a line break stands where none may."""
        return any(mark in fields[at] for at in self.columns.values() for mark in "\r\n")

    def _alone(self, line: CsvLine) -> CsvLine:
        if line.problem is not None:
            return line
        try:
            fields = next(csv.reader([line.text], delimiter=self.separator, strict=True), [])
            problem = self._problem(fields)
        except csv.Error as error:
            fields, problem = [], f"quotes that do not fit ({error})"
        if problem is None:
            return CsvLine("", None, fields)
        text = line.text.strip()
        return CsvLine("", f"{problem}: {text[:EXCERPT]}" if text else BLANK)

    def _problem(self, fields: list[str]) -> str | None:
        if self.width and len(fields) != self.width:
            return f"{len(fields)} fields, the header has {self.width}"
        needed = 1 + max([*self.columns.values(), *self.kept.values()])
        return None if len(fields) >= needed else f"{len(fields)} fields, {needed} are needed"

    def _table(self, rows: list[CsvLine]) -> pa.RecordBatch:
        def column(at: int) -> pa.StringArray:
            values = [None if row.fields is None else row.fields[at] for row in rows]
            return pa.array(values, pa.string())

        found = {name: column(at) for name, at in self.columns.items()}
        return pa.record_batch(
            {
                "lines": pa.array([row.lines for row in rows], pa.int64()),
                "url": found["url"],
                "name": found["name"],
                "sha256": found.get("sha256", pa.nulls(len(rows), pa.string())),
                "problem": pa.array([row.problem for row in rows], pa.string()),
                **{name: column(at) for name, at in self.kept.items()},
            }
        )


def _closing(lines: list[CsvLine], at: int) -> int | None:
    """The next line with an odd number of quotes, if it is near and all up to it is text."""
    for index in range(at + 1, min(at + MOST_LINES, len(lines))):
        if lines[index].problem is not None:
            return None
        if lines[index].text.count('"') % 2:
            return index
    return None
