"""The files of a list together: what identifies them, and which line of which a row is."""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from webbody.errors import WebbodyError
from webbody.manifest.arrays import int_array, ints, text_array
from webbody.manifest.files import list_files
from webbody.manifest.layout import ManifestLayout
from webbody.manifest.lines import LineCount
from webbody.manifest.part import ListPart, open_part
from webbody.plain_text import plain_text

#: Where a file begins is not known before the files before it were read.
_UNKNOWN = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Digest:
    """What identifies a manifest: sha256 (hex) and bytes."""

    sha256: str
    bytes: int


class ListParts:
    """All files of a list, opened.

    Args:
        text: A path, a URL or one of the forms of webbody.manifest_forms.
        layout: Of each file.
        scratch: Folder for copies of files that are not on the local disk.

    Raises:
        WebbodyError: A file cannot be used, or they do not make one list.
    """

    def __init__(self, text: str, layout: ManifestLayout, scratch: Path) -> None:
        self._files = list_files(text)
        self.notes = self._files.notes
        self.parts = [
            open_part(path, name, layout, scratch / str(number))
            for number, (path, name) in enumerate(
                zip(self._files.paths, self._files.names, strict=True)
            )
        ]
        _check_alike(self.parts, self._files.uniform)
        self._starts = np.full(len(self.parts), _UNKNOWN)

    @property
    def several(self) -> bool:
        """Whether the list is of a form that may hold several files."""
        return self._files.several

    @property
    def sources(self) -> tuple[str, ...]:
        """Their paths and URLs."""
        return tuple(part.path for part in self.parts)

    @property
    def headers(self) -> int:
        """How many lines are headers: one in each file of CSV that has one."""
        return sum(part.source.first_line - 1 for part in self.parts)

    @property
    def columns(self) -> dict[str, str]:
        """url, name and, where a file has one, sha256 -> the column that holds it."""
        found: dict[str, str] = {}
        for part in reversed(self.parts):
            found |= part.source.columns
        return found

    def digest(self) -> Digest:
        """Digest of the file's bytes; of several: of their names, order and bytes."""
        digests = []
        for part in self.parts:
            with part.file.open("rb") as file:
                value = hashlib.file_digest(file, "sha256").hexdigest()
            digests.append((part.name, part.file.stat().st_size, value))
        size = sum(size for _, size, _ in digests)
        return Digest(_digest_of(digests) if self.several else digests[0][2], size)

    def state(self) -> dict[str, Any]:
        """By what a manifest that did not change is recognised without reading it."""
        stats = [(part.name, part.file.stat()) for part in self.parts]
        state: dict[str, Any] = {
            "manifest": self._files.where,
            "bytes": sum(stat.st_size for _, stat in stats),
            "mtime_ns": max(stat.st_mtime_ns for _, stat in stats),
        }
        if self.several:
            each = [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]
            state["files"] = _digest_of(each)
        return state

    def numbering(self) -> "Numbering":
        """The numbers of all rows, given from the first to the last file."""
        return Numbering(self.parts, self._starts)

    def places(self, rows: pa.Int64Array) -> tuple[pa.StringArray, pa.Int64Array]:
        """The file (null where there can be but one) and the line in it of rows by their numbers.

        Only of rows that a `numbering` has given already.
        """
        numbers = ints(rows)
        at = np.searchsorted(self._starts, numbers - 1, side="right") - 1
        lines = int_array(numbers - self._starts[at])
        if not self.several:
            return pa.nulls(len(rows), pa.string()), lines
        return text_array([part.name for part in self.parts]).take(int_array(at)), lines


@dataclass
class Numbering:
    """Numbers of rows: lines are counted through all files, headers with them.

    Args:
        parts: The files.
        starts: Gets how many lines stand in the files before each file, as far as they are read.
    """

    parts: list[ListPart]
    starts: np.ndarray
    counts: list[LineCount] = field(init=False)
    _part: int = -1
    _row: int = 1

    def __post_init__(self) -> None:
        self.counts = [LineCount() for _ in self.parts]
        self._begin()

    def of(self, part: int, lines: np.ndarray) -> np.ndarray:
        """The numbers of rows of a file, which take so many lines each."""
        while self._part < part:
            self._end_part()
            self._begin()
        numbers: np.ndarray = self._row + np.cumsum(lines) - lines
        self._row += int(lines.sum())
        return numbers

    def end(self) -> None:
        """After the last row: checks that every line of every file was accounted for."""
        self.of(len(self.parts) - 1, np.zeros(0, np.int64))
        self._end_part()

    def _begin(self) -> None:
        self._part += 1
        self.starts[self._part] = self._row - 1
        self._row += self.parts[self._part].source.first_line - 1

    def _end_part(self) -> None:
        read, accounted = self.counts[self._part].lines, self._row - 1 - self.starts[self._part]
        if read != accounted:
            raise RuntimeError(
                f"{self.parts[self._part].path}: {read} lines were read and {accounted} accounted "
                "for"
            )


def place_of(file: str | None, line: int) -> str:
    """Where a row stands, as one reads it: `line 17`, of several files `b.csv, line 17`."""
    return f"line {line}" if file is None else f"{plain_text(file)}, line {line}"


def _digest_of(values: list[Any]) -> str:
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()


def _check_alike(parts: list[ListPart], uniform: bool) -> None:
    """Raises WebbodyError where files do not make one list; `uniform`: must be of one format."""
    first = parts[0]
    for part in parts[1:]:
        if uniform and part.layout.format != first.layout.format:
            raise WebbodyError(
                f"{part.path}: is {part.layout.format}, but {first.name} is "
                f"{first.layout.format}; the files of a folder or a pattern are of one format, so "
                "give those that belong together by a pattern or by their names."
            )
        if (part.source.columns.get("name") == "person") != (
            first.source.columns.get("name") == "person"
        ):
            raise WebbodyError(
                f"{part.path}: of it and {first.name} one has names and the other persons; give "
                "them as two lists."
            )
        differing = sorted({*part.source.kept.values()} ^ {*first.source.kept.values()})
        if differing:
            raise WebbodyError(
                f"{part.path}: its columns differ from those of {first.name} in "
                f"{plain_text(', '.join(differing), 200)}; keep columns that all files have."
            )
