"""The rows of CSV, each line for itself, so that a broken line costs no other one.

A quote that is opened and not closed would otherwise swallow what follows. Lines count as one row
only where they are as wide as the header together and no URL, name or digest has a line break.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import pyarrow as pa

from webbody.manifest.lines import BLANK, EXCERPT, LineBlock

#: Lines over which a quoted field may go on.
MOST_LINES = 100


class CsvRow(NamedTuple):
    """A row, or a line that is none: its fields or what is wrong, and how many lines it takes."""

    fields: list[str] | None
    problem: str | None = None
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
        texts: list[str] = []
        problems: dict[int, str] = {}
        for number, block in enumerate(blocks):
            array, new = block.texts()
            problems |= {at + len(texts): why for at, why in new.items()}
            texts += array.to_pylist()
            if header and number == 0:
                texts, problems = texts[1:], {at - 1: why for at, why in problems.items()}
            found, rest = self._parsed(texts, problems, last=False)
            yield self._table(found)
            problems = {at - rest: why for at, why in problems.items() if at >= rest}
            texts = texts[rest:]
        if texts:
            yield self._table(self._parsed(texts, problems, last=True)[0])

    def _parsed(
        self, texts: Sequence[str], problems: dict[int, str], last: bool
    ) -> tuple[list[CsvRow], int]:
        """Rows, and where lines begin that may go on in what has not been read yet."""
        alone = self._alone(texts, problems)
        found: list[CsvRow] = []
        at = 0
        for odd in [at for at, row in enumerate(alone) if row is None]:
            if odd < at:
                continue
            found += filter(None, alone[at:odd])
            stop = _closing(texts, odd, problems)
            if stop is None and not last and len(texts) - odd < MOST_LINES:
                return found, odd
            joined = self._joined(texts[odd : stop + 1]) if stop is not None else None
            found.append(joined or self._row(texts[odd]))
            at = odd + found[-1].lines
        found += filter(None, alone[at:])
        return found, len(texts)

    def _alone(self, texts: Sequence[str], problems: dict[int, str]) -> list[CsvRow | None]:
        """Each line as a row; None for those with an odd number of quotes, which may go on."""
        rows: list[CsvRow | None] = [None] * len(texts)
        for at, why in problems.items():
            rows[at] = CsvRow(None, why)
        even = [at for at, text in enumerate(texts) if rows[at] is None and not text.count('"') % 2]
        reader = csv.reader((texts[at] for at in even), delimiter=self.separator, strict=True)
        for number, at in enumerate(even, 1):
            try:
                fields: list[str] | None = next(reader)
            except csv.Error:
                fields = None
            if reader.line_num != number:  # a quote inside a field has led it into the next lines
                for one in even[number - 1 :]:
                    rows[one] = self._row(texts[one])
                break
            fits = fields is not None and self._problem(fields) is None
            rows[at] = CsvRow(fields) if fits else self._row(texts[at])
        return rows

    def _joined(self, texts: Sequence[str]) -> CsvRow | None:
        """Some lines as one row, if they are one."""
        fields = self._row("".join(texts)).fields
        if fields is None:
            return None
        broken = any(mark in fields[at] for at in self.columns.values() for mark in "\r\n")
        return None if broken else CsvRow(fields, lines=len(texts))

    def _row(self, text: str) -> CsvRow:
        """A line as a row, or why it is none."""
        try:
            fields = next(csv.reader([text], delimiter=self.separator, strict=True), [])
            problem = self._problem(fields)
        except csv.Error as error:
            problem = f"quotes that do not fit ({error})"
        if problem is None:
            return CsvRow(fields)
        text = text.strip()
        return CsvRow(None, f"{problem}: {text[:EXCERPT]}" if text else BLANK)

    def _problem(self, fields: list[str]) -> str | None:
        if self.width and len(fields) != self.width:
            return f"{len(fields)} fields, the header has {self.width}"
        needed = 1 + max([*self.columns.values(), *self.kept.values()])
        return None if len(fields) >= needed else f"{len(fields)} fields, {needed} are needed"

    def _table(self, rows: Sequence[CsvRow]) -> pa.RecordBatch:
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


def _closing(texts: Sequence[str], at: int, problems: dict[int, str]) -> int | None:
    """The next line with an odd number of quotes, if it is near and all up to it is text."""
    for index in range(at + 1, min(at + MOST_LINES, len(texts))):
        if index in problems:
            return None
        if texts[index].count('"') % 2:
            return index
    return None
