"""The rows of a Parquet manifest, its columns by their exact names."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from webbody.errors import WebbodyError
from webbody.manifest.arrays import int_array, text_array
from webbody.manifest.lines import LineCount, problem_column, valid_texts
from webbody.parquet_tables import open_parquet, read_batches
from webbody.plain_text import plain_text

_BATCH = 1 << 16


def parquet_columns(path: str, file: Path) -> pa.Schema:
    """The schema of a Parquet file; raises WebbodyError where it is none."""
    try:
        with open_parquet(file) as opened:
            return opened.schema_arrow
    except (pa.ArrowException, OSError) as error:
        raise WebbodyError(
            f"{path}: is no valid Parquet file ({_first_line(error)}); write it again."
        ) from error


def parquet_rows(
    path: str, file: Path, columns: dict[str, str], kept: dict[str, str], count: LineCount
) -> Iterator[pa.RecordBatch]:
    """Batches of (lines (1), url, name, sha256, problem and the columns kept).

    Args:
        path: What the file is called in errors.
        file: What is read.
        columns: What a row has -> the column that holds it; name and sha256 may be missing.
        kept: What further columns are called in a batch -> the column.
        count: Is raised by the rows that are given.
    """
    wanted = [*columns.values(), *kept.values()]
    try:
        for batch in read_batches(file, _BATCH, wanted):
            count.lines += batch.num_rows
            problems: dict[int, str] = {}
            texts = {}
            for name in ("url", "name", "sha256"):
                column = columns.get(name)
                values = None if column is None else batch.column(column)
                texts[name], problems = _texts(values, batch.num_rows, problems)
            yield pa.record_batch(
                {
                    "lines": int_array(np.ones(batch.num_rows, np.int64)),
                    **texts,
                    "problem": problem_column(problems, batch.num_rows),
                    **{name: batch.column(column) for name, column in kept.items()},
                }
            )
    except MemoryError as error:
        raise WebbodyError(
            f"{path}: memory ran out at row {count.lines:,}; run where there is more of it."
        ) from error
    except (pa.ArrowException, OSError) as error:
        raise WebbodyError(
            f"{path}: cannot be read after row {count.lines:,} ({_first_line(error)}); write it "
            "again."
        ) from error


def check_text(path: str, schema: pa.Schema, columns: dict[str, str]) -> None:
    """Raises WebbodyError where a column is of a type that cannot be taken as text."""
    for name, column in columns.items():
        kind = schema.field(column).type
        plain = kind.value_type if pa.types.is_dictionary(kind) else kind
        fine = is_name(schema.field(column)) if name == "name" else _is_text(plain)
        if not (fine or (name == "sha256" and _is_bytes(plain))):
            raise WebbodyError(
                f"{path}: column {plain_text(column)} has type {kind}, expected text; convert it."
            )


def is_name(field: pa.Field) -> bool:
    """Whether a column can hold names: text or integers."""
    plain = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    return _is_text(plain) or bool(pa.types.is_integer(plain))


def _texts(
    values: pa.Array | None, rows: int, problems: dict[int, str]
) -> tuple[pa.StringArray, dict[int, str]]:
    if values is None:
        return pa.nulls(rows, pa.string()), problems
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if _is_bytes(values.type):  # a digest as the 32 bytes that it is
        return text_array([v if v is None else v.hex() for v in values.to_pylist()]), problems
    return valid_texts(values.cast(pa.string()), problems)


def _is_text(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_fixed_size_binary(kind)
    )


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
