"""The rows of CSV, each line for itself, so that a broken line costs no other one.

A quote that is opened and not closed would otherwise swallow what follows. Lines count as one row
only where they are as wide as the header together and no URL, name or digest has a line break.
Lines without any quote are cut all at once, which gives what Python's reader would, much sooner.
"""

import csv
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import zip_longest

import numpy as np
import pyarrow as pa

from webbody.manifest.arrays import bool_array, int_array
from webbody.manifest.cutting import CutLines, replaced
from webbody.manifest.lines import BLANK, EXCERPT, LineBlock, problem_column

#: Lines over which a quoted field may go on.
MOST_LINES = 100
_QUOTE, _RETURN = ord('"'), ord("\r")


@dataclass(frozen=True)
class CsvDialect:
    """How the lines of a CSV file become rows.

    Args:
        separator: What stands between fields.
        width: Fields of a row, as the header has; 0: any number that holds all columns.
        columns: Position (from 0) of url and, where there are such, name and sha256.
        kept: Position of further columns; only these may hold line breaks.
    """

    separator: str
    width: int
    columns: dict[str, int]
    kept: dict[str, int]

    def pieces(
        self, blocks: Iterable[LineBlock], header: bool
    ) -> Iterator[LineBlock | pa.RecordBatch]:
        """What `parse` makes rows of, the header apart.

        Blocks with quotes are rows already, as what is in them depends on the block before.
        """
        held, end = b"", b"\n"
        for number, block in enumerate(blocks):
            end = block.end
            if header and number == 0:
                block = replace(block, data=block.data[block.bounds[1] :])
            if held and block.skipped:  # what is held cannot go on in a line that is not kept
                yield self._parsed(LineBlock(held, end, 0), last=True)[0]
                held = b""
            if held or b'"' in block.data:
                block = replace(block, data=held + block.data)
                batch, held = self._parsed(block, last=False)
                yield batch
            elif block.data:
                yield block
        if held:
            yield self._parsed(LineBlock(held, end, 0), last=True)[0]

    def parse(self, piece: LineBlock | pa.RecordBatch) -> pa.RecordBatch:
        """Batches of lines, url, name, sha256, problem and the columns kept."""
        return self._parsed(piece, last=True)[0] if isinstance(piece, LineBlock) else piece

    def _parsed(self, block: LineBlock, last: bool) -> tuple[pa.RecordBatch, bytes]:
        """Rows, and the lines that may go on in what has not been read yet."""
        texts, problems = block.texts()
        places = self.columns | self.kept
        lines = CutLines(block, ord(self.separator))
        cut, simple = lines.fields(self._needed, list(places.values()), problems)
        simple &= ~lines.holding(_QUOTE) & ~lines.holding(_RETURN)
        if self.width:
            simple &= lines.separators == self.width - 1
        odd = {at: texts[at].as_py() for at in np.flatnonzero(~simple).tolist()}
        quoted = [at for at, text in odd.items() if at not in problems and text.count('"') % 2]
        joined, stop = self._joined(texts, quoted, problems, last)
        taken = np.ones(len(texts), np.int64)  # lines of a row; 0: part of the row before
        for at, (_, count) in joined.items():
            taken[at : at + count] = 0
            taken[at] = count
        rows = {at: fields for at, (fields, _) in joined.items()}
        alone = [at for at in odd if at not in rows and at not in problems and taken[at]]
        for at, found in zip(alone, self._each([odd[at] for at in alone]), strict=True):
            if isinstance(found, list):
                rows[at] = found
            else:
                problems[at] = found
        values = replaced({name: cut[at] for name, at in places.items()}, places, rows)
        batch = pa.record_batch(
            {
                "lines": int_array(taken),
                "url": values["url"],
                "name": values.get("name", pa.nulls(len(texts), pa.string())),
                "sha256": values.get("sha256", pa.nulls(len(texts), pa.string())),
                "problem": problem_column(problems, len(texts)),
                **{name: values[name] for name in self.kept},
            }
        ).slice(0, stop)
        return batch.filter(bool_array(taken[:stop] > 0)), block.data[block.bounds[stop] :]

    def _joined(
        self, texts: pa.StringArray, quoted: list[int], problems: Container[int], last: bool
    ) -> tuple[dict[int, tuple[list[str], int]], int]:
        """Rows of several lines, as first line -> fields, lines; and where the whole lines end.

        Args:
            texts: All lines.
            quoted: Those with an odd number of quotes, as a row's first and last line have.
            problems: Those that are no text.
            last: Nothing comes after them.
        """
        found: dict[int, tuple[list[str], int]] = {}
        free = 0
        for at, end in zip_longest(quoted, quoted[1:]):
            if at < free:
                continue
            if end is None:
                going_on = not last and len(texts) - at < MOST_LINES
                return found, at if going_on else len(texts)
            count = end + 1 - at
            if count > MOST_LINES or any(line in problems for line in range(at, end)):
                continue
            fields = self._row("".join(texts.slice(at, count).to_pylist()))
            if isinstance(fields, list) and not self._broken(fields):
                found[at] = (fields, count)
                free = at + count
        return found, len(texts)

    def _broken(self, fields: list[str]) -> bool:
        """Whether a line break stands where none may."""
        return any(mark in fields[at] for at in self.columns.values() for mark in "\r\n")

    def _each(self, texts: Sequence[str]) -> Iterator[list[str] | str]:
        """The fields of each line, or what is wrong with it."""
        reader = csv.reader(texts, delimiter=self.separator, strict=True)
        for number, text in enumerate(texts, 1):
            try:
                fields = next(reader, None)
            except csv.Error:
                fields = None
            if reader.line_num != number:  # a quote inside a field has led it into the next lines
                yield from map(self._row, texts[number - 1 :])
                return
            yield fields if fields and self._problem(fields) is None else self._row(text)

    def _row(self, text: str) -> list[str] | str:
        """The fields of a line, or what is wrong with it."""
        try:
            fields = next(csv.reader([text], delimiter=self.separator, strict=True), [])
            problem = self._problem(fields)
        except csv.Error as error:
            problem = f"quotes that do not fit ({error})"
        if problem is None:
            return fields
        text = text.strip()
        return f"{problem}: {text[:EXCERPT]}" if text else BLANK

    def _problem(self, fields: list[str]) -> str | None:
        if self.width and len(fields) != self.width:
            return f"{len(fields)} fields, the header has {self.width}"
        if len(fields) < self._needed:
            return f"{len(fields)} fields, {self._needed} are needed"
        return None

    @cached_property
    def _needed(self) -> int:
        """Fields that a row has at least."""
        return self.width or 1 + max([*self.columns.values(), *self.kept.values()])
