"""The plan stage: the manifest as shards, cut between names, and the rejected rows."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.base.row_lookup import LOOKUP, RowLookup
from pipelines.base.stage import Inputs, Outputs, Stage
from webbody.config import PlanSettings
from webbody.manifest import Manifest, sample_key
from webbody.manifest.reader import REJECTED as UNUSABLE
from webbody.removals import NO_REMOVALS, TAKEDOWN, RemovalLists

SHARD = pa.schema(
    [("key", pa.string()), ("url", pa.string()), ("name", pa.string()), ("sha256", pa.string())]
)
#: What cannot be used. `line` is that of `file` (null where the list is a single file), from 1 (of
#: Parquet and releases the row); `row` is counted through all files.
REJECTED = pa.schema(
    [
        ("row", pa.int64()),
        ("file", pa.string()),
        ("line", pa.int64()),
        ("url", pa.string()),
        ("name", pa.string()),
        ("outcome", pa.string()),
        ("detail", pa.string()),
    ]
)
REJECTED_FILE = "rejected.parquet"


class Plan(Stage[PlanSettings]):
    """Cuts a manifest into shards of about `rows_per_shard` rows at name boundaries.

    Outputs `plan/<shard>.parquet` (key, url, name, sha256) for each shard, sorted by name and URL,
    and `plan/rejected.parquet`; a table beside them tells the shard of a URL. Cuts depend on the
    names alone and a shard is called after its first name, so that a changed manifest changes only
    the shards it touches.
    """

    name = "plan"
    version = 4
    needs = ()
    #: The columns that are equal in rows which stand there again.
    same: ClassVar[tuple[str, ...]] = ("name", "url")

    def __init__(
        self, settings: PlanSettings, manifest: Manifest, removals: RemovalLists = NO_REMOVALS
    ) -> None:
        super().__init__(settings)
        self.manifest, self.removals = manifest, removals

    def process(self, inputs: Inputs, outputs: Outputs) -> Mapping[str, int]:
        counts = {"in": 0, "out": 0, "shards": 0}
        manifest = self.manifest
        with (
            pq.ParquetWriter(outputs.file(REJECTED_FILE), REJECTED) as rejected,
            RowLookup() as lookup,
        ):

            def reject(batch: pa.RecordBatch) -> None:
                row, *rest = batch.columns
                placed = [row, *manifest.parts.places(row), *rest]
                batch = pa.record_batch(placed, schema=REJECTED)
                batch = without_removed_words(batch, self.removals)
                rejected.write_batch(batch)
                for value in batch.column("outcome").value_counts():
                    outcome = value["values"].as_py()
                    counts[outcome] = counts.get(outcome, 0) + value["counts"].as_py()
                counts["in"] += batch.num_rows

            accepted = without_duplicates(self._accepted(), reject, self.same)
            used: set[str] = set()
            for table in self._shards(self._without_removed(accepted, reject)):
                first = table[self.same[0]][0].as_py()
                shard = shard_id(first)
                if shard in used:  # 32 bits are few where there are many shards
                    shard = shard_id(first, 10)
                used.add(shard)
                outputs.table(table, f"{shard}.parquet")
                lookup.add(shard, table["url"], table["key"])
                counts["in"] += table.num_rows
                counts["out"] += table.num_rows
                counts["shards"] += 1
            for batch in self._rejected():
                reject(batch)
            lookup.write(outputs.file(LOOKUP))
        return counts

    def _accepted(self) -> Iterator[pa.RecordBatch]:
        """The rows that can be used, in the order in which they are cut."""
        return self.manifest.accepted()

    def _rejected(self) -> Iterator[pa.RecordBatch]:
        """The others (UNUSABLE), in the manifest's order."""
        return self.manifest.rejected()

    def _without_removed(
        self, batches: Iterable[pa.RecordBatch], reject: Callable[[pa.RecordBatch], None]
    ) -> Iterator[pa.RecordBatch]:
        """Drop rows that were taken down; `reject` gets them (UNUSABLE) without URL and name."""
        for batch in batches:
            if self.removals:
                rows = batch.select(["url", "name", "sha256"]).to_pylist()
                gone = pa.array([self.removals.contains(**row) for row in rows], pa.bool_())
                if gone.true_count:
                    count = gone.true_count
                    nothing = pa.nulls(count, pa.string())
                    outcome = pa.array([TAKEDOWN] * count)
                    row = batch.filter(gone).column("row")
                    columns = [row, nothing, nothing, outcome, nothing]
                    reject(pa.record_batch(columns, schema=UNUSABLE))
                    batch = batch.filter(pc.invert(gone))
            if batch.num_rows:
                yield batch

    def _shards(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
        """Rows collected into shards; a cut may only follow the last row of a name."""
        pending: list[pa.RecordBatch] = []
        rows = 0
        for name in by_name(batches):
            first = name[0].column("name")[0].as_py()
            size = sum(batch.num_rows for batch in name)
            if rows and self._cut_before(first, rows, size):
                yield shard_table(pending)
                pending, rows = [], 0
            pending.extend(name)
            rows += size
        if pending:
            yield shard_table(pending)

    def _cut_before(self, name: str, rows: int, size: int) -> bool:
        """Whether to cut before `name` after `rows` rows: chosen by the name's hash.

        No cut below half the target, always one at twice the target; between them the chance per
        row makes the average the target. A cut therefore depends on few neighbours, and a name
        that comes or goes moves the cuts near it, not all that follow.
        """
        target = self.settings.rows_per_shard
        if rows < target / 2:
            return False
        if rows + size > 2 * target:
            return True
        draw = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest()) / 2**64
        return draw < 1 - (1 - 2 / (target + 2)) ** size


def without_removed_words(batch: pa.RecordBatch, removals: RemovalLists) -> pa.RecordBatch:
    """Rejected rows (REJECTED), with nothing but the outcome where URL or name was taken down."""
    if not removals or not batch.num_rows:
        return batch
    rows = batch.select(["url", "name"]).to_pylist()
    gone = pa.array([removals.contains(**row) for row in rows], pa.bool_())
    if not gone.true_count:
        return batch
    columns = {name: batch.column(name) for name in REJECTED.names}
    for name in ("url", "name", "detail"):
        columns[name] = pc.if_else(gone, pa.scalar(None, pa.string()), columns[name])
    return pa.record_batch(list(columns.values()), schema=REJECTED)


def as_rejected(table: pa.Table) -> pa.Table:
    """Rejected rows as REJECTED has them, also where an older version wrote fewer columns."""
    for name in REJECTED.names:
        if name not in table.column_names:
            column = table["row"] if name == "line" else pa.nulls(len(table), pa.string())
            table = table.append_column(name, column)
    return table.select(REJECTED.names).cast(REJECTED)


def shard_id(first: str, size: int = 4) -> str:
    """Name of the shard that begins with this name (or URL): a digest of `size` bytes in hex."""
    return hashlib.blake2b(first.encode(), digest_size=size, person=b"shard").hexdigest()


def without_duplicates(
    batches: Iterable[pa.RecordBatch],
    reject: Callable[[pa.RecordBatch], None],
    by: Sequence[str] = Plan.same,
) -> Iterator[pa.RecordBatch]:
    """Drop rows equal to their predecessor in some columns; `reject` gets them (UNUSABLE)."""
    last: tuple[str, ...] | None = None
    named = "URL and name stand" if "name" in by else "URL stands"
    for batch in batches:
        columns = [batch.column(name) for name in by]
        same = np.ones(batch.num_rows - 1, bool)
        for column in columns:
            same &= pc.equal(column[1:], column[:-1]).to_numpy(zero_copy_only=False)
        first_same = tuple(column[0].as_py() for column in columns) == last
        last = tuple(column[-1].as_py() for column in columns)
        mask = pa.array([first_same, *same.tolist()])
        if mask.true_count:
            again = batch.filter(mask)
            rows = again.num_rows
            reject(
                pa.record_batch(
                    [
                        again.column("row"),
                        again.column("url"),
                        again.column("name"),
                        pa.array(["manifest:duplicate"] * rows),
                        pa.array([f"the same {named} in an earlier row"] * rows),
                    ],
                    schema=UNUSABLE,
                )
            )
            batch = batch.filter(pc.invert(mask))
        if batch.num_rows:
            yield batch


def by_name(batches: Iterator[pa.RecordBatch]) -> Iterator[list[pa.RecordBatch]]:
    """Group sorted rows by name; a group may come from several batches."""
    group: list[pa.RecordBatch] = []
    current: str | None = None
    for batch in batches:
        names = batch.column("name")
        changed = pc.not_equal(names[1:], names[:-1]).to_numpy(zero_copy_only=False)
        starts = [0, *(changed.nonzero()[0] + 1).tolist()]
        for start, stop in zip(starts, [*starts[1:], batch.num_rows], strict=True):
            name = names[start].as_py()
            if group and name != current:
                yield group
                group = []
            current = name
            group.append(batch.slice(start, stop - start))
    if group:
        yield group


def shard_table(batches: list[pa.RecordBatch]) -> pa.Table:
    """The rows of a shard with their keys."""
    table = pa.Table.from_batches(batches)
    urls, names = table["url"].to_pylist(), table["name"].to_pylist()
    keys = [sample_key(url, name or "") for url, name in zip(urls, names, strict=True)]
    return pa.table(
        [pa.array(keys), table["url"], table["name"], table["sha256"]], schema=SHARD
    ).combine_chunks()
