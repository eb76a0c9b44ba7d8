"""Parquet files, read by the calling thread alone, and held to limits (parquet_limits).

What pyarrow reads ahead of a Python file is freed by threads of its own, some of it only after the
table is there: where the interpreter ends meanwhile, the whole process aborts (exit code 134).
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from webbody.parquet_footer import DeclaredFile
from webbody.parquet_limits import (
    BYTES,
    Source,
    declared,
    declared_bytes,
    repeated_texts,
    table_bytes,
)

#: Rows of a batch where a table is measured.
_MEASURED_ROWS = 1 << 16
#: Bytes of a column that are read at once where only its dictionary is wanted.
_STEP = 1 << 16


def open_parquet(source: Source) -> pq.ParquetFile:
    """A Parquet file by its path, or one that can be sought in, which stays open.

    Raises pyarrow.ArrowException where it is none or declares more than can be in it, OSError where
    it cannot be read.
    """
    declared(source)
    return _opened(source, ())


def read_batches(
    source: Source, rows: int, columns: Sequence[str] | None = None
) -> Iterator[pa.RecordBatch]:
    """The rows in batches of so many, or fewer where they are long: BYTES of text in each.

    Args:
        source: A path, or a file that can be sought in; it stays open.
        rows: Of a batch, at most.
        columns: Those that are wanted; all without it.

    Raises:
        pyarrow.ArrowException: It is no Parquet file, or declares more than can be in it.
        OSError: It cannot be read.
    """
    said = declared(source)
    with _opened(source, ()) as file:
        schema = file.schema_arrow
    rows = min(rows, _rows_within(said))
    # A dictionary costs its own size until a batch is small enough to write its texts out; short
    # texts are read as they are, which is sooner done.
    repeated = repeated_texts(said, BYTES) & set(schema.names if columns is None else columns)
    if repeated and rows * _longest(source, repeated) <= BYTES:
        repeated = set()
    with _opened(source, sorted(repeated)) as file:
        most, texts = table_bytes(source), 0
        for batch in file.iter_batches(rows, columns=columns, use_threads=False):
            sizes = _repeated_bytes(batch)
            texts += int(sizes.sum())
            if texts > most:
                raise pa.ArrowInvalid(f"its texts have more than {most:,} bytes when written out")
            for first, stop in _slices(sizes):
                yield _written_out(batch.slice(first, stop - first), schema)


def _opened(source: Source, dictionaries: Sequence[str], step: int = 0) -> pq.ParquetFile:
    """`dictionaries`: columns to read as such. `step`: bytes read at once; 0: whole columns."""
    try:
        return pq.ParquetFile(
            source, pre_buffer=False, read_dictionary=list(dictionaries), buffer_size=step
        )
    except UnicodeDecodeError as error:
        raise pa.ArrowInvalid("the name of a column is no UTF-8") from error


def _longest(source: Source, columns: set[str]) -> int:
    """Bytes of the longest text in the dictionaries of some columns, which come first in each."""
    longest = 0
    with _opened(source, sorted(columns), _STEP) as file:
        for group in range(file.num_row_groups):
            for batch in file.iter_batches(
                1, row_groups=[group], columns=sorted(columns), use_threads=False
            ):
                for column in batch.columns:
                    if pa.types.is_dictionary(column.type):
                        most = pc.max(pc.binary_length(column.dictionary)).as_py()
                        longest = max(longest, most or 0)
                break
    return longest


def _rows_within(said: DeclaredFile) -> int:
    """Rows that have about BYTES, on average over the file."""
    return max(1, BYTES * max(1, said.rows) // max(1, declared_bytes(said, None)))


def _repeated_bytes(batch: pa.RecordBatch) -> np.ndarray:
    """What each row's texts that stand in dictionaries take when they are written out."""
    sizes = np.zeros(batch.num_rows, np.int64)
    for column in batch.columns:
        if pa.types.is_dictionary(column.type) and len(column.dictionary):
            lengths = pc.binary_length(column.dictionary)
            each = pc.fill_null(pc.take(lengths, column.indices), 0)
            sizes += each.to_numpy(zero_copy_only=False)
    return sizes


def _slices(sizes: np.ndarray) -> Iterator[tuple[int, int]]:
    """Where rows of such sizes are cut, so that a slice has at most BYTES; a row is not cut."""
    first, reached = 0, np.cumsum(sizes)
    while first < len(sizes):
        before = int(reached[first - 1]) if first else 0
        stop = max(first + 1, int(np.searchsorted(reached, before + BYTES, side="right")))
        yield first, stop
        first = stop


def _written_out(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The batch with columns of the types that the file has."""
    for number, name in enumerate(batch.schema.names):
        at = schema.get_field_index(name)
        if at >= 0 and batch.schema.field(number).type != schema.field(at).type:
            column = batch.column(number).dictionary_decode().cast(schema.field(at).type)
            batch = batch.set_column(number, schema.field(at), column)
    return batch


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
        pyarrow.ArrowException: It is no such table, a column is missing or there twice, or it is
            much larger in memory than a file of its size should be.
        OSError: It cannot be read.
    """
    said = declared(source)
    with _opened(source, ()) as file:
        names = file.schema_arrow.names
        selected = columns
        if schema is not None:
            selected = [name for name in schema.names if name in names]
        for name in selected or ():
            if names.count(name) != 1:
                raise pa.ArrowInvalid(f"column {name} is there {names.count(name)} times")
        most = table_bytes(source)
        if declared_bytes(said, selected) > most:
            raise pa.ArrowInvalid(f"its table has more than {most:,} bytes")
        repeated = repeated_texts(said, BYTES) & set(selected or names)
        table = None if repeated else file.read(columns=selected, use_threads=False)
    if table is None:
        table = _measured(source, selected, most)
    if selected is not None:
        table = table.select(selected)
    return table if schema is None else _as(table, schema)


def _measured(source: Source, columns: Sequence[str] | None, most: int) -> pa.Table:
    """A table that is written out batch by batch, as long as it has at most `most` bytes."""
    batches, size = [], 0
    for batch in read_batches(source, _MEASURED_ROWS, columns):
        size += batch.nbytes
        if size > most:
            raise pa.ArrowInvalid(f"its table has more than {most:,} bytes")
        batches.append(batch)
    return pa.Table.from_batches(batches)


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
