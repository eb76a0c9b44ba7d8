"""Questions to the index, asked with DuckDB: only the columns that a question needs are read."""

from collections.abc import Sequence
from typing import Any

import duckdb
import pyarrow as pa

#: What DuckDB may use; beyond it, it goes on in temporary files.
MEMORY = "256MB"
_NO_SPLIT = pa.schema([("person", pa.int64()), ("split", pa.string())]).empty_table()

Row = dict[str, Any]


class IndexDatabase:
    """The view `crops` over the index's files, for any number of threads.

    Args:
        files: Paths of the index's Parquet files.
        split: A table of `person` and `split`; None where it is not known yet.
        scratch: A folder for temporary files.
    """

    def __init__(self, files: Sequence[str], split: pa.Table | None, scratch: str) -> None:
        self._database = duckdb.connect()
        quoted = scratch.replace("'", "''")
        for setting in (
            f"memory_limit='{MEMORY}'", f"temp_directory='{quoted}'", "threads=2",
            "enable_progress_bar=false", "autoinstall_known_extensions=false",
            "autoload_known_extensions=false", "parquet_metadata_cache=true",
        ):  # fmt: skip
            self._database.execute(f"SET {setting}")
        # What is registered is known to one connection, a table to the cursors of all threads.
        self._database.register("given", _NO_SPLIT if split is None else split)
        self._database.execute("CREATE TABLE people_split AS SELECT * FROM given")
        self._database.unregister("given")
        listed = ", ".join("'" + path.replace("'", "''") + "'" for path in files)
        self._database.execute(
            "CREATE VIEW crops AS SELECT c.*, coalesce(s.split, c.planned_split) AS split "
            f"FROM read_parquet([{listed}], union_by_name=true) c "
            "LEFT JOIN people_split s ON s.person = c.person"
        )
        described = self._database.execute("DESCRIBE crops").fetchall()
        #: The columns of `crops` with their types as DuckDB calls them.
        self.columns: dict[str, str] = {name: kind for name, kind, *_ in described}

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """The rows that a query gives; every value from outside is a parameter."""
        with self._database.cursor() as cursor:
            found = cursor.execute(sql, list(parameters))
            names = [column[0] for column in found.description or ()]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def whole(self, columns: str, found: Sequence[Row]) -> list[Row]:
        """More columns of rows that a query of few columns found by `shard` and `tie`, in order.

        Whoever sorts or groups all rows asks in two steps: else all columns of all rows are read.
        """
        if not found:
            return []
        shards = sorted({row["shard"] for row in found if row["shard"] is not None})
        ties = [row["tie"] for row in found]
        inside = f"shard IN ({', '.join('?' for _ in shards)})" if shards else "FALSE"
        if len({row["shard"] for row in found}) > len(shards):
            inside = f"({inside} OR shard IS NULL)"
        rows = self.rows(
            f"SELECT {columns}, tie FROM crops WHERE {inside} "
            f"AND tie IN ({', '.join('?' for _ in ties)})",
            (*shards, *ties),
        )
        by_tie = {row.pop("tie"): row for row in rows}
        return [by_tie[tie] for tie in ties if tie in by_tie]

    def table(self, sql: str, parameters: Sequence[Any] = ()) -> pa.Table:
        """The same as a table."""
        with self._database.cursor() as cursor:
            return cursor.execute(sql, list(parameters)).to_arrow_table()
