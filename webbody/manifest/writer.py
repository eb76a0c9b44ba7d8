"""Manifests as Parquet files, which appear whole or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from webbody.errors import WebbodyError
from webbody.storage import Folder

#: Rows of a row group.
GROUP = 1 << 18


class ParquetRows:
    """A Parquet file that gets rows; the same rows give the same bytes, however they come.

    Args:
        file: Where it is written.
        schema: Of all rows; None: that of the first ones, of which there must be some.
    """

    def __init__(self, file: IO[bytes], schema: pa.Schema | None = None) -> None:
        self._file = file
        self._writer: pq.ParquetWriter | None = None
        self._waiting: list[pa.RecordBatch] = []
        self._rows = 0
        if schema is not None:
            self._open(schema)

    def write(self, batch: pa.RecordBatch) -> None:
        """Add some rows."""
        if self._writer is None:
            self._open(batch.schema)
        while self._rows + batch.num_rows >= GROUP:
            rest = GROUP - self._rows
            self._waiting.append(batch.slice(0, rest))
            self._flush()
            batch = batch.slice(rest)
        if batch.num_rows:
            self._waiting.append(batch)
            self._rows += batch.num_rows

    def close(self) -> None:
        """Write what is left, and the end of the file."""
        if self._waiting:
            self._flush()
        if self._writer is not None:
            self._writer.close()

    def abandon(self) -> None:
        """Write nothing more: what is written to is discarded."""
        self._waiting, self._rows = [], 0
        with suppress(Exception):
            self.close()

    def _open(self, schema: pa.Schema) -> None:
        # URLs differ, and of names that stand together zstd makes as little as a dictionary would,
        # in a quarter of the time.
        self._writer = pq.ParquetWriter(
            self._file,
            schema,
            compression="zstd",
            use_dictionary=False,
            write_statistics=[name for name in schema.names if name != "url"],
        )

    def _flush(self) -> None:
        assert self._writer is not None
        table = pa.Table.from_batches(self._waiting)
        self._writer.write_table(table, row_group_size=GROUP)
        self._waiting, self._rows = [], 0


@contextmanager
def new_manifest(
    path: str, sources: tuple[str, ...] = (), schema: pa.Schema | None = None
) -> Iterator[ParquetRows]:
    """A Parquet file that gets its name when the block ends without an error.

    Args:
        path: A path or an fsspec URL that ends with .parquet.
        sources: Files that are read meanwhile, which it must not replace.
        schema: As ParquetRows has it.

    Raises:
        WebbodyError: The path is none that can be written.
    """
    parent, _, name = path.rpartition("/")
    if not name.endswith(".parquet"):
        raise WebbodyError(f"{path}: a manifest is written as Parquet; name it .parquet.")
    if Path(path).is_dir():
        raise WebbodyError(f"{path}: is a folder; name a file.")
    for source in sources:
        if source == path or (
            Path(path).exists() and Path(path).resolve() == Path(source).resolve()
        ):
            raise WebbodyError(f"{path}: is what is read; give another --out.")
    with Folder(parent or ("/" if path.startswith("/") else ".")).write(name) as file:
        rows = ParquetRows(file, schema)
        try:
            yield rows
        except BaseException:
            rows.abandon()
            raise
        rows.close()
