"""An opened manifest: every row of its files with its outcome.

Read from Parquet, CSV, JSON Lines or text lists, also compressed, in one file or several
(manifests/README.md). Rows are checked one by one and sorted out of core by DuckDB, so a manifest
may be larger than the memory; nothing is dropped without a row that says why.
"""

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from webbody.manifest.arrays import int_array, ints
from webbody.manifest.checks import checked
from webbody.manifest.database import ScratchDatabase
from webbody.manifest.layout import ManifestLayout
from webbody.manifest.lines import LineCount
from webbody.manifest.part import ListPart, as_before
from webbody.manifest.parts import ListParts
from webbody.scratch import scratch_folder

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


class Manifest:
    """An opened manifest: `accepted` and `rejected` together give every row exactly once.

    A row has the number of its line, from 1 and with the header (of Parquet: of the row); where it
    takes several lines, of the first one. In several files the lines are counted through, and
    `parts.places` says which line of which file a row is. Use it in a `with`.

    Args:
        path: A file, a folder, an fsspec URL, or one of the forms of webbody.manifest_forms. What
            is not on the local disk is copied there first.
        memory: What sorting may use before it goes to the disk.
        layout: Format and columns, where they are not as manifests/README.md has them.

    Raises:
        WebbodyError: A file is missing, empty, of an unknown format or lacks a column.
    """

    def __init__(
        self, path: str, memory: str = "1GB", layout: ManifestLayout | None = None
    ) -> None:
        self.path = path
        self._scratch = scratch_folder("manifest")
        self.parts = ListParts(path, layout or ManifestLayout(), Path(self._scratch.name))
        self._memory = memory
        self._named = layout is None or layout.named

    def __enter__(self) -> "Manifest":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove the scratch files."""
        self._scratch.cleanup()

    @property
    def format(self) -> str:
        """One of FORMATS: that of the first file."""
        return self.parts.parts[0].layout.format

    @property
    def columns(self) -> dict[str, str]:
        """url, name and, where a file has one, sha256 -> the column that holds it."""
        return self.parts.columns

    def rows(self) -> Iterator[pa.RecordBatch]:
        """All rows in the files' order.

        Columns row, lines (how many of the file the row takes), url, name, sha256, outcome (null
        for accepted rows), detail and those that are kept, whose names begin with KEPT.
        """
        numbering = self.parts.numbering()
        schema: pa.Schema | None = None
        for number, batch in self._checked(numbering.counts):
            if schema is not None and not batch.schema.equals(schema):
                batch = as_before(batch, schema, self.parts.parts[number].path)
            schema = batch.schema
            rows = numbering.of(number, ints(batch.column(0)))
            yield pa.record_batch([int_array(rows), *batch.columns], ["row", *batch.schema.names])
        numbering.end()

    def usable(self) -> Iterator[pa.RecordBatch]:
        """The accepted rows of `rows`, in the files' order."""
        for batch in self.rows():
            good = batch.column("outcome").is_null()
            yield batch if good.true_count == len(good) else batch.filter(good)

    def accepted(self) -> Iterator[pa.RecordBatch]:
        """Rows (row, url, name, sha256) that passed every check, sorted by name and URL.

        Those of a list that needs no names are sorted by a digest of the URL, so that pictures of
        one host are not fetched one after the other. Duplicates are neighbours; the order does not
        depend on the manifest's order.
        """
        by = "name, url" if self._named else "md5(url), url"
        with ScratchDatabase(self._scratch.name, self._memory) as database:
            yield from database.query(
                f"SELECT * FROM batch ORDER BY {by}, sha256 NULLS LAST, row",
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

    def _checked(self, counts: list[LineCount]) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Batches of checked rows in order, each with the number of its file; made by threads."""
        workers = max(1, min(4, (os.cpu_count() or 2) - 1))
        waiting: deque[tuple[int, Future[pa.RecordBatch]]] = deque()
        with ThreadPoolExecutor(workers) as pool:
            try:
                for number, part in enumerate(self.parts.parts):
                    for piece in part.source.pieces(counts[number]):
                        waiting.append((number, pool.submit(_rows_of, part, piece)))
                        if len(waiting) > 2 * workers:
                            number_of, future = waiting.popleft()
                            yield number_of, future.result()
                while waiting:
                    number_of, future = waiting.popleft()
                    yield number_of, future.result()
            finally:
                for _, future in waiting:
                    future.cancel()


def _rows_of(part: ListPart, piece: Any) -> pa.RecordBatch:
    return checked(part.source.parse(piece), part.layout.named)
