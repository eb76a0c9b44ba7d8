"""DuckDB for what needs all rows of manifests at once: it sorts and joins beyond the memory."""

from collections.abc import Iterator
from typing import Any

import duckdb
import pyarrow as pa

#: Rows of a batch that comes out of a query.
BATCH = 100_000


class ScratchDatabase:
    """A database of its own, which goes on in a folder where its memory is used up.

    Args:
        folder: For its temporary files, which are gone when it is closed.
        memory: What it may use, as DuckDB has it.
    """

    def __init__(self, folder: str, memory: str) -> None:
        self._database = duckdb.connect()
        self._database.execute(f"SET memory_limit='{memory}'")
        self._database.execute("SET temp_directory='" + folder.replace("'", "''") + "'")
        self._database.execute("SET enable_progress_bar=false")

    def __enter__(self) -> "ScratchDatabase":
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def query(
        self, sql: str, **streams: tuple[pa.Schema, Iterator[pa.RecordBatch]]
    ) -> Iterator[pa.RecordBatch]:
        """What a query gives; each of `streams` is a table of it that can be read once.

        Raises:
            Exception: What a stream raised, as it was raised there.
        """
        raised: list[Exception] = []

        def watched(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            try:
                yield from batches
            except Exception as error:
                raised.append(error)
                raise

        for name, (schema, batches) in streams.items():
            reader = pa.RecordBatchReader.from_batches(schema, watched(batches))
            self._database.register(name, reader)
        try:
            yield from self._database.execute(sql).to_arrow_reader(BATCH)
        except Exception as error:
            if raised:
                raise raised[0] from error
            raise
        finally:
            for name in streams:
                self._database.unregister(name)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The few rows that a query gives."""
        found: list[tuple[Any, ...]] = self._database.execute(sql).fetchall()
        return found

    def row(self, sql: str) -> tuple[Any, ...]:
        """The one row that a query gives."""
        return self.rows(sql)[0]
