"""A manifest's rows as they stand in the file, whatever its format: unchecked, in its order."""

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from webbody.errors import WebbodyError
from webbody.manifest.arrays import text_array
from webbody.manifest.csv_rows import CsvDialect
from webbody.manifest.json_array import JsonArray, is_array
from webbody.manifest.json_rows import JsonDialect
from webbody.manifest.layout import EVERY, ManifestLayout, says_lines
from webbody.manifest.lines import LineBlock, LineCount, TextFile
from webbody.manifest.parquet_rows import check_text, is_name, parquet_columns, parquet_rows
from webbody.manifest.text_rows import TextDialect
from webbody.manifest.url_lines import UrlLines
from webbody.plain_text import plain_text

#: Begins the names of columns that are kept, so that they are none of a row's own.
KEPT = "kept."


@dataclass(frozen=True)
class ManifestSource:
    """Where rows come from: pieces of the file in its order, and what makes rows of a piece.

    Args:
        pieces: Gives the pieces from the beginning, whenever it is called, and counts their lines.
        parse: Makes a batch of rows of a piece: lines (how many of the file a row takes), url,
            name, sha256, problem and the columns that are kept. Any thread may do it.
        columns: url, name and, where there is one, sha256 -> the column that holds it.
        kept: What columns that are kept are called in a batch, KEPT first -> the column.
        first_line: The number, from 1, of the line of the file that is the first row.
    """

    pieces: Callable[[LineCount], Iterator[Any]]
    parse: Callable[[Any], pa.RecordBatch]
    columns: dict[str, str]
    kept: dict[str, str]
    first_line: int = 1


def open_source(path: str, file: Path, layout: ManifestLayout) -> ManifestSource:
    """The rows of a file in a complete layout; `path` is what it is called in errors.

    Raises:
        WebbodyError: Columns are missing, there twice or of a type that is no text.
    """
    if layout.format == "parquet":
        schema = parquet_columns(path, file)
        columns, kept = _columns(path, layout, schema.names)
        if not layout.named and "name" in columns and not is_name(schema.field(columns["name"])):
            del columns["name"]  # such as a column of nulls
        check_text(path, schema, columns)
        return ManifestSource(
            lambda count: parquet_rows(path, file, columns, kept, count), _itself, columns, kept
        )
    if layout.format == "csv":
        return _csv(path, file, layout)
    own = {"url": layout.url, "name": layout.name, "sha256": layout.sha256}
    if layout.format == "jsonl":
        own["sha256"] = layout.sha256 or "sha256"
    columns = {key: column for key, column in own.items() if column}
    kept = {_kept_name(layout, column): column for column in layout.keep}
    dialect: JsonDialect | TextDialect | UrlLines
    if layout.format == "jsonl" and is_array(file, says_lines(path)):
        array = JsonArray(columns | kept, path)
        return ManifestSource(lambda count: array.pieces(file, count), _itself, columns, kept)
    if layout.format == "jsonl":
        dialect = JsonDialect(columns | kept)
    elif not layout.named and not layout.positional:
        dialect = UrlLines()
    else:
        dialect = TextDialect.of(layout.separator, columns | kept if layout.positional else None)
    return ManifestSource(
        lambda count: TextFile(file, path, count).blocks(), dialect.parse, columns, kept
    )


def _csv(path: str, file: Path, layout: ManifestLayout) -> ManifestSource:
    if layout.positional:
        named = {"url": layout.url, "name": layout.name, "sha256": layout.sha256}
        columns = {key: column for key, column in named.items() if column}
        kept = {_kept_name(layout, column): column for column in layout.keep}
        header: list[str] = []
        place = {column: int(column) - 1 for column in [*columns.values(), *kept.values()]}
    else:
        header = _header(path, file, layout.separator)
        columns, kept = _columns(path, layout, header)
        place = {column: header.index(column) for column in [*columns.values(), *kept.values()]}
    dialect = CsvDialect(
        layout.separator,
        len(header),
        {key: place[column] for key, column in columns.items()},
        {name: place[column] for name, column in kept.items()},
    )

    def pieces(count: LineCount) -> Iterator[LineBlock | pa.RecordBatch]:
        return dialect.pieces(TextFile(file, path, count).blocks(), header=not layout.positional)

    first_line = 1 if layout.positional else 2
    return ManifestSource(pieces, dialect.parse, columns, kept, first_line)


def _header(path: str, file: Path, separator: str) -> list[str]:
    first: LineBlock | None = next(TextFile(file, path, LineCount()).blocks(), None)
    texts, problems = first.texts() if first is not None else (text_array([""]), {})
    try:
        if 0 in problems:
            raise csv.Error(problems[0])
        return next(csv.reader([texts[0].as_py()], delimiter=separator, strict=True), [])
    except csv.Error as error:
        raise WebbodyError(
            f"{path}: the header, line 1, cannot be read ({error}); mend it."
        ) from error


def _columns(
    path: str, layout: ManifestLayout, there: Sequence[str]
) -> tuple[dict[str, str], dict[str, str]]:
    """What a row has -> the column that holds it, exactly so called; and so of what is kept."""
    columns = {"url": layout.url, "name": layout.name}
    if layout.released and "name" not in there and "person" in there:
        columns["name"] = "person"
    if not layout.named and layout.name not in there:
        del columns["name"]
    if layout.sha256 or "sha256" in there:
        columns["sha256"] = layout.sha256 or "sha256"
    keep = layout.keep
    if keep == (EVERY,):
        keep = tuple(name for name in there if name not in columns.values())
    wanted = [*columns.values(), *keep]
    shown = plain_text(", ".join(there) or "none", 300)
    missing = [plain_text(name) for name in wanted if name not in there]
    if missing:
        unnamed = "; a list without names is built with `--preset humans`"
        raise WebbodyError(
            f"{path}: lacks the column{'s' * (len(missing) > 1)} {' and '.join(missing)}; "
            f"it has {shown}; `webbody manifest import` has options that say which column is which"
            f"{unnamed if missing == ['name'] else ''}."
        )
    twice = sorted({plain_text(name) for name in wanted if list(there).count(name) > 1})
    if twice:
        raise WebbodyError(
            f"{path}: has the column {' and '.join(twice)} twice; it has {shown}; keep one of each."
        )
    return columns, {_kept_name(layout, name): name for name in keep}


def _kept_name(layout: ManifestLayout, column: str) -> str:
    return f"{KEPT}column{column}" if layout.positional else f"{KEPT}{column}"


def _itself(batch: pa.RecordBatch) -> pa.RecordBatch:
    return batch
