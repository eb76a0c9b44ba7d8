"""Manifests: lists of image URLs and the names they were found under.

Read from Parquet, CSV, JSON Lines or the authors' text list (`index label url`, white-space
separated, a URL may contain blanks). Rows are checked one by one and sorted out of core by DuckDB,
so a manifest may be larger than the memory; nothing is dropped without a row that says why.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from webbody.errors import WebbodyError

#: Longer URLs are refused: servers do not accept them and they bloat every table.
MAX_URL = 8000
FORMATS = ("parquet", "csv", "jsonl", "text")
_BATCH = 100_000


def sample_key(url: str, name: str) -> str:
    """The content-based key of a manifest row: blake2b-80 of `url NUL name`, 20 hex digits."""
    return hashlib.blake2b(f"{url}\0{name}".encode(), digest_size=10).hexdigest()


@dataclass(frozen=True)
class Digest:
    """What identifies a manifest file: sha256 (hex) and bytes."""

    sha256: str
    bytes: int


class Manifest:
    """An opened manifest: `accepted` and `rejected` together give every row exactly once.

    `path` is a file or an fsspec URL (copied to a local temporary file first). Raises WebbodyError
    where the file is missing, empty, of an unknown format or lacks a column. Use it in a `with`.
    """

    def __init__(self, path: str, memory: str = "2GB") -> None:
        self.path = path
        self._scratch = TemporaryDirectory(prefix="webbody-manifest-")
        self.file = self._fetch(path)
        self.format = _detect(path, self.file)
        self._db = duckdb.connect(str(Path(self._scratch.name) / "plan.duckdb"))
        self._db.execute(f"SET memory_limit='{memory}'")
        self._db.execute(f"SET temp_directory='{self._scratch.name}'")
        self._db.execute("SET enable_progress_bar=false")
        try:
            self._db.execute(f"CREATE VIEW checked AS {_CHECK.format(source=self._source())}")
        except duckdb.Error as error:
            raise WebbodyError(
                f"{path}: cannot be read as {self.format} ({_first_line(error)}); check the file."
            ) from error

    def __enter__(self) -> "Manifest":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the database and remove its scratch files."""
        self._db.close()
        self._scratch.cleanup()

    def digest(self) -> Digest:
        """Digest of the file's bytes."""
        with self.file.open("rb") as file:
            value = hashlib.file_digest(file, "sha256")
        return Digest(value.hexdigest(), self.file.stat().st_size)

    def accepted(self) -> Iterator[pa.RecordBatch]:
        """Rows (row, url, name, sha256) that passed every check, sorted by name and URL.

        Exact duplicates are neighbours; the order does not depend on the manifest's order.
        """
        yield from self._query(
            "SELECT row, url, name, sha256 FROM checked WHERE outcome IS NULL "
            "ORDER BY name, url, sha256 NULLS LAST, row"
        )

    def rejected(self) -> Iterator[pa.RecordBatch]:
        """Rows (row, url, name, outcome, detail) that failed a check, in the manifest's order."""
        yield from self._query(
            "SELECT row, url, name, outcome, detail FROM checked "
            "WHERE outcome IS NOT NULL ORDER BY row"
        )
        if self.format != "parquet":  # lines that are no valid text at all
            yield from self._query(
                "SELECT line AS row, NULL::VARCHAR AS url, NULL::VARCHAR AS name, "
                "'manifest:bad-row' AS outcome, any_value(error_message) AS detail "
                "FROM reject_errors GROUP BY file_id, line ORDER BY line"
            )

    def glance(self, count: int) -> tuple[int, list[str]]:
        """The number of rows, and the URLs of `count` accepted ones, drawn at random."""
        total = "SELECT count(*) AS rows FROM checked"
        some = (
            "SELECT url FROM (SELECT url FROM checked WHERE outcome IS NULL) "
            f"USING SAMPLE reservoir({count} ROWS) REPEATABLE (0)"
        )
        (rows,) = (value for batch in self._query(total) for value in batch["rows"].to_pylist())
        return rows, [url for batch in self._query(some) for url in batch["url"].to_pylist()]

    def _query(self, sql: str) -> Iterator[pa.RecordBatch]:
        try:
            yield from self._db.execute(sql).to_arrow_reader(_BATCH)
        except duckdb.Error as error:
            raise WebbodyError(
                f"{self.path}: cannot be read as {self.format} ({_first_line(error)}); "
                "check the file."
            ) from error

    def _fetch(self, path: str) -> Path:
        if "://" not in path:
            local = Path(path)
            if local.is_dir():
                raise WebbodyError(f"Manifest {path} is a folder; give one file.")
            if not local.is_file():
                raise WebbodyError(f"Manifest {path} does not exist; check --manifest.")
        else:
            local = Path(self._scratch.name) / path.rsplit("/", 1)[-1]
            try:
                with fsspec.open(path, "rb") as source, local.open("wb") as target:
                    while block := source.read(1 << 22):
                        target.write(block)
            except (OSError, ValueError, ImportError) as error:
                raise WebbodyError(
                    f"Manifest {path} cannot be fetched ({_first_line(error)}); check --manifest."
                ) from error
        if local.stat().st_size == 0:
            raise WebbodyError(f"Manifest {path} is empty; it needs rows with url and name.")
        return local

    def _source(self) -> str:
        """SQL that gives row, url, name, sha256 and problem (NULL or why the row is no row)."""
        quoted = str(self.file).replace("'", "''")
        if self.format == "parquet":
            columns = self._parquet_columns()
            sha = "CAST(sha256 AS VARCHAR)" if "sha256" in columns else "NULL::VARCHAR"
            return (
                f"SELECT file_row_number AS row, CAST(url AS VARCHAR) AS url, "
                f"CAST(name AS VARCHAR) AS name, {sha} AS sha256, NULL::VARCHAR AS problem "
                f"FROM read_parquet('{quoted}', file_row_number=true)"
            )
        if self.format == "csv":
            self._db.execute(_CSV.format(file=quoted))
            columns = {str(row[0]) for row in self._db.execute("DESCRIBE raw").fetchall()}
            self._require(columns)
            sha = "sha256" if "sha256" in columns else "NULL::VARCHAR"
            return (
                f"SELECT row_number() OVER () - 1 AS row, url, name, {sha} AS sha256, "
                "NULL::VARCHAR AS problem FROM raw"
            )
        self._db.execute(_LINES.format(file=quoted))
        return _JSONL if self.format == "jsonl" else _TEXT

    def _parquet_columns(self) -> set[str]:
        try:
            schema = pq.read_schema(self.file)
        except (pa.ArrowInvalid, OSError) as error:
            raise WebbodyError(
                f"{self.path}: is no valid Parquet file ({_first_line(error)}); write it again."
            ) from error
        self._require(set(schema.names))
        for name in ("url", "name"):
            kind = schema.field(name).type
            text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
            if pa.types.is_dictionary(kind):
                text = pa.types.is_string(kind.value_type)
            if not (text or (name == "name" and pa.types.is_integer(kind))):
                raise WebbodyError(
                    f"{self.path}: column {name} has type {kind}, expected text; convert it."
                )
        return set(schema.names)

    def _require(self, columns: set[str]) -> None:
        missing = [name for name in ("url", "name") if name not in columns]
        if missing:
            raise WebbodyError(
                f"{self.path}: lacks the column{'s' * (len(missing) > 1)} {' and '.join(missing)}; "
                f"it has {', '.join(sorted(columns)) or 'none'}."
            )


def _detect(path: str, file: Path) -> str:
    """The format, by ending or else by content."""
    ending = path.rsplit(".", 1)[-1].lower()
    known = {
        "parquet": "parquet", "pq": "parquet", "csv": "csv",
        "jsonl": "jsonl", "ndjson": "jsonl", "json": "jsonl", "txt": "text", "list": "text",
    }  # fmt: skip
    if ending in known:
        return known[ending]
    with file.open("rb") as stream:
        head = stream.read(4096)
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.lstrip().startswith(b"{"):
        return "jsonl"
    first = head.split(b"\n", 1)[0].lower()
    if b"url" in first and b"," in first:
        return "csv"
    if first.split()[:1] and first.split()[0].isdigit():
        return "text"
    raise WebbodyError(
        f"{path}: is none of {', '.join(FORMATS)}; name it .parquet, .csv, .jsonl or .txt."
    )


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


_REJECTS = "ignore_errors=true, store_rejects=true, rejects_limit=0, max_line_size=10000000"

_CSV = (
    "CREATE VIEW raw AS SELECT * FROM read_csv('{file}', header=true, all_varchar=true, "
    f"delim=',', quote='\"', escape='\"', {_REJECTS})"
)

# One column per line: no line of a text holds the unit separator.
_LINES = (
    "CREATE VIEW raw AS SELECT row_number() OVER () - 1 AS row, line FROM read_csv('{file}', "
    "header=false, auto_detect=false, columns={{'line': 'VARCHAR'}}, delim='\x1f', quote='', "
    f"escape='', {_REJECTS})"
)

_JSONL = """
SELECT row,
       CASE WHEN json_valid(line) THEN json_extract_string(line, '$.url') END AS url,
       CASE WHEN json_valid(line) THEN json_extract_string(line, '$.name') END AS name,
       CASE WHEN json_valid(line) THEN json_extract_string(line, '$.sha256') END AS sha256,
       CASE WHEN NOT json_valid(line) THEN 'no JSON: ' || left(line, 60) END AS problem
FROM raw WHERE trim(line) <> ''
"""

_TEXT = r"""
SELECT row,
       regexp_extract(line, '^\s*\d+\s+-?\d+\s+(.*)$', 1) AS url,
       regexp_extract(line, '^\s*\d+\s+(-?\d+)\s', 1) AS name,
       NULL::VARCHAR AS sha256,
       CASE WHEN NOT regexp_matches(line, '^\s*\d+\s+-?\d+\s+\S')
            THEN 'not `index label url`: ' || left(line, 60) END AS problem
FROM raw WHERE trim(line) <> ''
"""

_CHECK = rf"""
SELECT row, nullif(url, '') AS url, nullif(name, '') AS name, sha256, outcome,
       CASE outcome
           WHEN 'manifest:bad-row' THEN problem
           WHEN 'manifest:bad-url' THEN
               CASE WHEN length(url) > {MAX_URL} THEN 'longer than {MAX_URL} characters'
                    ELSE 'not an http or https URL' END
           END AS detail
FROM (
    SELECT row, url, name, lower(nullif(trim(sha256), '')) AS sha256, problem,
           CASE WHEN problem IS NOT NULL THEN 'manifest:bad-row'
                WHEN coalesce(url, '') = '' THEN 'manifest:no-url'
                WHEN coalesce(name, '') = '' THEN 'manifest:no-name'
                WHEN length(url) > {MAX_URL}
                     OR NOT regexp_full_match(url, '(?i)https?://[^/?#\s][^\x00-\x1f\x7f]*')
                THEN 'manifest:bad-url' END AS outcome
    FROM (SELECT row, trim(url, E' \t\r\n') AS url, trim(name, E' \t\r\n') AS name, sha256, problem
          FROM ({{source}}))
)
"""
