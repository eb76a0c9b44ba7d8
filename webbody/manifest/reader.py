"""An opened manifest: every row of the file with its outcome.

Read from Parquet, CSV, JSON Lines or text lists, also compressed (manifests/README.md). Rows are
checked one by one and sorted out of core by DuckDB, so a manifest may be larger than the memory;
nothing is dropped without a row that says why.
"""

import hashlib
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from webbody.errors import WebbodyError
from webbody.manifest.arrays import int_array, ints
from webbody.manifest.checks import checked
from webbody.manifest.database import ScratchDatabase
from webbody.manifest.layout import ManifestLayout, settled
from webbody.manifest.lines import LineCount
from webbody.manifest.source import open_source

ACCEPTED = pa.schema(
    [("row", pa.int64()), ("url", pa.string()), ("name", pa.string()), ("sha256", pa.string())]
)
REJECTED = pa.schema(
    [
        ("row", pa.int64()),
        ("url", pa.string()),
        ("name", pa.string()),
        ("outcome", pa.string()),
        ("detail", pa.string()),
    ]
)


@dataclass(frozen=True)
class Digest:
    """What identifies a manifest file: sha256 (hex) and bytes."""

    sha256: str
    bytes: int


class Manifest:
    """An opened manifest: `accepted` and `rejected` together give every row exactly once.

    A row has the number of its line in the file, from 1 and with the header (of Parquet: of the
    row); where it takes several lines, of the first one. Use it in a `with`.

    Args:
        path: A file, or an fsspec URL (copied to a local temporary file first).
        memory: What sorting may use before it goes to the disk.
        layout: Format and columns, where they are not as manifests/README.md has them.

    Raises:
        WebbodyError: The file is missing, empty, of an unknown format or lacks a column.
    """

    def __init__(
        self, path: str, memory: str = "2GB", layout: ManifestLayout | None = None
    ) -> None:
        self.path = path
        self._scratch = TemporaryDirectory(prefix="webbody-manifest-")
        self.file = self._fetch(path)
        self.layout = settled(layout or ManifestLayout(), path, self.file)
        self._source = open_source(path, self.file, self.layout)
        self._memory = memory

    def __enter__(self) -> "Manifest":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove the scratch files."""
        self._scratch.cleanup()

    @property
    def format(self) -> str:
        """One of FORMATS."""
        return self.layout.format

    @property
    def first_line(self) -> int:
        """The line of the file, from 1, where the first row stands: 2 in CSV with a header."""
        return self._source.first_line

    @property
    def columns(self) -> dict[str, str]:
        """url, name and, where there is one, sha256 -> the column of the file that holds it."""
        return self._source.columns

    def digest(self) -> Digest:
        """Digest of the file's bytes."""
        with self.file.open("rb") as file:
            value = hashlib.file_digest(file, "sha256")
        return Digest(value.hexdigest(), self.file.stat().st_size)

    def rows(self) -> Iterator[pa.RecordBatch]:
        """All rows in the file's order.

        Columns row, lines (how many of the file the row takes), url, name, sha256, outcome (null
        for accepted rows), detail and those that are kept, whose names begin with KEPT.
        """
        count, row = LineCount(), self.first_line
        for batch in self._checked(count):
            lines = ints(batch.column(0))
            numbers = row + np.cumsum(lines) - lines
            row += int(lines.sum())
            yield pa.record_batch(
                [int_array(numbers), *batch.columns], ["row", *batch.schema.names]
            )
        if count.lines != row - 1:
            raise RuntimeError(
                f"{self.path}: {count.lines} lines were read and {row - 1} accounted for"
            )

    def usable(self) -> Iterator[pa.RecordBatch]:
        """The accepted rows of `rows`, in the file's order."""
        for batch in self.rows():
            good = batch.column("outcome").is_null()
            yield batch if good.true_count == len(good) else batch.filter(good)

    def accepted(self) -> Iterator[pa.RecordBatch]:
        """Rows (row, url, name, sha256) that passed every check, sorted by name and URL.

        Exact duplicates are neighbours; the order does not depend on the manifest's order.
        """
        with ScratchDatabase(self._scratch.name, self._memory) as database:
            yield from database.query(
                "SELECT * FROM batch ORDER BY name, url, sha256 NULLS LAST, row",
                batch=(ACCEPTED, (batch.select(ACCEPTED.names) for batch in self.usable())),
            )

    def rejected(self) -> Iterator[pa.RecordBatch]:
        """Rows (row, url, name, outcome, detail) that failed a check, in the manifest's order."""
        for batch in self.rows():
            wrong = batch.column("outcome").is_valid()
            if wrong.true_count:
                yield batch.filter(wrong).select(REJECTED.names).cast(REJECTED)

    def glance(self, count: int) -> tuple[int, list[str]]:
        """The number of rows, and the URLs of `count` accepted ones, drawn at random."""
        rng, rows = np.random.default_rng(0), 0
        drawn = pa.table({"url": pa.array([], pa.string()), "draw": pa.array([], pa.float64())})
        for batch in self.rows():
            rows += batch.num_rows
            urls = batch.filter(batch.column("outcome").is_null()).column("url")
            new = pa.table({"url": urls, "draw": rng.random(len(urls))})
            drawn = pa.concat_tables([drawn, new])
            drawn = drawn.take(pc.select_k_unstable(drawn, count, [("draw", "ascending")]))
        return rows, drawn["url"].to_pylist()

    def _checked(self, count: LineCount) -> Iterator[pa.RecordBatch]:
        """Batches of checked rows in order, made ahead by threads."""
        source = self._source
        workers = max(1, min(4, (os.cpu_count() or 2) - 1))
        waiting: deque[Future[pa.RecordBatch]] = deque()
        with ThreadPoolExecutor(workers) as pool:
            try:
                for piece in source.pieces(count):
                    waiting.append(pool.submit(lambda piece: checked(source.parse(piece)), piece))
                    if len(waiting) > 2 * workers:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()

    def _fetch(self, path: str) -> Path:
        if "://" not in path:
            local = Path(path)
            if local.is_dir():
                raise WebbodyError(f"Manifest {path} is a folder; give one file.")
            if not local.is_file():
                raise WebbodyError(f"Manifest {path} does not exist; check --manifest.")
        else:
            local = Path(self._scratch.name) / "list"
            try:
                with fsspec.open(path, "rb") as source, local.open("wb") as target:
                    while block := source.read(1 << 22):
                        target.write(block)
            except (OSError, ValueError, ImportError) as error:
                lines = str(error).strip().splitlines()
                said = lines[0] if lines else type(error).__name__
                raise WebbodyError(
                    f"Manifest {path} cannot be fetched ({said}); check --manifest."
                ) from error
        if local.stat().st_size == 0:
            raise WebbodyError(f"Manifest {path} is empty; it needs rows with url and name.")
        return local
