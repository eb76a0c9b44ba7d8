"""The rows of JSON Lines: an object a line, whose keys are the columns."""

import threading
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from webbody.manifest.lines import BLANK, EXCERPT, LineBlock, problem_column

_LOCAL = threading.local()


@dataclass(frozen=True)
class JsonDialect:
    """How a line of JSON Lines becomes a row.

    Args:
        columns: url, name, sha256 and what is kept, in this order -> the key that holds it.
    """

    columns: dict[str, str]

    def parse(self, block: LineBlock) -> pa.RecordBatch:
        """A row for each line: lines (1), url, name, sha256, problem and the columns kept."""
        texts, problems = block.texts()
        lines = pa.table([texts, problem_column(problems, len(texts))], ["line", "problem"])
        if not hasattr(_LOCAL, "database"):
            _LOCAL.database = duckdb.connect()
            _LOCAL.database.execute("SET threads=1")
        _LOCAL.database.register("lines", lines)
        found: pa.Table = _LOCAL.database.execute(self._sql()).to_arrow_table()
        (batch,) = found.combine_chunks().to_batches()
        return batch

    def _sql(self) -> str:
        names = list(self.columns)
        paths = ", ".join(_path(self.columns[name]) for name in names)
        taken = [f"found[{at}] AS {_quoted(name)}" for at, name in enumerate(names, 1)]
        taken.insert(
            3,
            f"""coalesce(problem, CASE
            WHEN found IS NOT NULL THEN NULL
            WHEN trim(line, E' \\t\\r\\n') = '' THEN '{BLANK}'
            ELSE 'no JSON: ' || left(rtrim(line, E'\\r\\n'), {EXCERPT})
        END) AS problem""",
        )
        return f"""
            SELECT 1::BIGINT AS lines, {", ".join(taken)}
            FROM (SELECT *, CASE WHEN json_valid(line)
                                 THEN json_extract_string(line, [{paths}]) END AS found
                  FROM lines)
        """


def _path(key: str) -> str:
    """The key as a JSON path in SQL."""
    path = '$."' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return "'" + path.replace("'", "''") + "'"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
