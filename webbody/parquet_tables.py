"""Parquet files, read by the calling thread alone.

What pyarrow reads ahead of a Python file is let go by threads of its own, some of it only after the
table is there: where the interpreter ends meanwhile, the whole process aborts (exit code 134).
"""

import os
from collections.abc import Sequence
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

Source = IO[bytes] | str | os.PathLike[str]


def open_parquet(source: Source) -> pq.ParquetFile:
    """A Parquet file by its path, or one that can be sought in, which stays open.

    Raises pyarrow.ArrowException where it is none, OSError where it cannot be read.
    """
    try:
        return pq.ParquetFile(source, pre_buffer=False)
    except UnicodeDecodeError as error:
        raise pa.ArrowInvalid("the name of a column is no UTF-8") from error


def read_parquet(
    source: Source,
    columns: Sequence[str] | None = None,
    schema: pa.Schema | None = None,
) -> pa.Table:
    """A table, or some columns of it in the order asked for.

    Args:
        source: A path, or a file that can be sought in; it stays open.
        columns: Those that are wanted; all without it.
        schema: What the columns are cast to; those that the file lacks are null.

    Raises:
        pyarrow.ArrowException: It is no such table, or a column is missing or there twice.
        OSError: It cannot be read.
    """
    with open_parquet(source) as file:
        names = file.schema_arrow.names
        wanted = columns
        if schema is not None:
            wanted = [name for name in schema.names if name in names]
        for name in wanted or ():
            if names.count(name) != 1:
                raise pa.ArrowInvalid(f"column {name} is there {names.count(name)} times")
        table = file.read(columns=wanted, use_threads=False)
    if wanted is not None:
        table = table.select(wanted)
    return table if schema is None else _as(table, schema)


def _as(table: pa.Table, schema: pa.Schema) -> pa.Table:
    columns = []
    for field in schema:
        if field.name not in table.column_names:
            columns.append(pa.nulls(len(table), field.type))
            continue
        try:
            columns.append(table[field.name].cast(field.type))
        except pa.ArrowNotImplementedError as error:
            raise pa.ArrowInvalid(f"column {field.name}: {error}") from error
    return pa.table(columns, schema)
