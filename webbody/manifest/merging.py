"""Several manifests as one, in which no row stands twice."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from webbody.errors import WebbodyError
from webbody.manifest.arrays import bool_array, int_array, truths
from webbody.manifest.database import ScratchDatabase
from webbody.manifest.reader import Manifest
from webbody.manifest.writer import new_manifest
from webbody.scratch import scratch_folder

_ROWS = pa.schema(
    [
        ("url", pa.string()),
        ("name", pa.string()),
        ("sha256", pa.string()),
        ("part", pa.int64()),
        ("row", pa.int64()),
    ]
)


@dataclass
class MergeCounts:
    """What became of the rows of several manifests: all = merged + duplicates + rejected.

    `conflicts` are rows of the same URL and name with different digests, of which one was kept.
    """

    merged: int = 0
    duplicates: int = 0
    conflicts: int = 0
    rejected: int = 0


def merge_manifests(manifests: Sequence[Manifest], out: str, memory: str = "2GB") -> MergeCounts:
    """Write all rows to `out`, sorted by name and URL, each URL and name once.

    Of rows with the same URL and name one with a digest is kept before one without, then that of
    the manifest that was named first.

    Args:
        manifests: What is merged: lists with names, not released manifests.
        out: A Parquet file with the columns url, name and sha256.
        memory: What sorting may use before it goes to the disk.

    Raises:
        WebbodyError: Nothing can be used, or a manifest is a released one.
    """
    for manifest in manifests:
        if manifest.columns["name"] == "person":
            raise WebbodyError(
                f"{manifest.path}: is a released manifest, and its persons are not those of "
                "another one; merge the lists with names that they were made of."
            )
    counts = MergeCounts()
    query = "SELECT url, name, sha256 FROM batch ORDER BY name, url, (sha256 IS NULL), part, row"
    sources = tuple(path for manifest in manifests for path in manifest.parts.sources)
    with (
        scratch_folder("merge") as scratch,
        ScratchDatabase(scratch, memory) as database,
        new_manifest(out, sources, pa.schema([_ROWS.field(i) for i in range(3)])) as file,
    ):
        last: pa.RecordBatch | None = None
        for batch in database.query(query, batch=(_ROWS, _rows(manifests, counts))):
            again, conflict = _repeated(batch, last)
            counts.duplicates += int(again.sum())
            counts.conflicts += int(conflict.sum())
            counts.merged += int((~again).sum())
            file.write(batch.filter(bool_array(~again)))
            last = batch.slice(batch.num_rows - 1)
        if not counts.merged:
            raise WebbodyError(
                f"{', '.join(one.path for one in manifests)}: hold no row that can be used."
            )
    return counts


def _rows(manifests: Sequence[Manifest], counts: MergeCounts) -> Iterator[pa.RecordBatch]:
    for part, manifest in enumerate(manifests):
        for batch in manifest.rows():
            good = batch.column("outcome").is_null()
            counts.rejected += good.false_count
            chosen = batch.select(["url", "name", "sha256", "row"]).filter(good)
            parts = int_array(np.full(chosen.num_rows, part, np.int64))
            url, name, sha256, row = chosen.columns
            yield pa.record_batch([url, name, sha256, parts, row], schema=_ROWS)


def _repeated(batch: pa.RecordBatch, last: pa.RecordBatch | None) -> tuple[np.ndarray, np.ndarray]:
    """Which rows have the URL and name of the row before, and which of them another digest.

    `last` is the row before the first one.
    """
    if last is not None:
        rows = pa.Table.from_batches([last, batch]).combine_chunks()
        again, conflict = _repeated(rows.to_batches()[0], None)
        return again[1:], conflict[1:]
    url, name, sha256 = batch.columns
    again, conflict = np.zeros((2, batch.num_rows), bool)
    same = pc.and_(pc.equal(url[1:], url[:-1]), pc.equal(name[1:], name[:-1]))
    again[1:] = truths(same)
    other = pc.not_equal(sha256[1:], sha256[:-1])
    conflict[1:] = again[1:] & truths(other)
    return again, conflict
