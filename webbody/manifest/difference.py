"""What became of a manifest: rows and names that came, went or changed."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from webbody.manifest.arrays import bool_array
from webbody.manifest.database import ScratchDatabase
from webbody.manifest.reader import Manifest
from webbody.manifest.writer import new_manifest
from webbody.scratch import scratch_folder

CHANGES = pa.schema(
    [
        ("change", pa.string()),
        ("url", pa.string()),
        ("name", pa.string()),
        ("sha256", pa.string()),
    ]
)
_ROWS = pa.schema(
    [
        ("url", pa.string()),
        ("name", pa.string()),
        ("sha256", pa.string()),
        ("new", pa.bool_()),
    ]
)
_PAIRS = """
CREATE TABLE pairs AS
SELECT name, url, bool_or(NOT new) AS old, bool_or(new) AS new,
       min(sha256) FILTER (WHERE NOT new) AS before, min(sha256) FILTER (WHERE new) AS after
FROM batch GROUP BY name, url
"""
_COUNTS = """
SELECT count(*) FILTER (WHERE new AND NOT old), count(*) FILTER (WHERE old AND NOT new),
       count(*) FILTER (WHERE old AND new AND before IS DISTINCT FROM after),
       count(*) FILTER (WHERE old AND new AND before IS NOT DISTINCT FROM after)
FROM pairs
"""
_NAMES = """
SELECT count(*) FILTER (WHERE new AND NOT old), count(*) FILTER (WHERE old AND NOT new),
       count(*) FILTER (WHERE old AND new)
FROM (SELECT bool_or(old) AS old, bool_or(new) AS new FROM pairs GROUP BY name)
"""
_MOVED = """
SELECT count(*) FROM (
    SELECT url FROM pairs GROUP BY url
    HAVING bool_or(new AND NOT old) AND bool_or(old AND NOT new)
)
"""
_CHANGED = """
SELECT CASE WHEN NOT old THEN 'added' WHEN NOT new THEN 'removed' ELSE 'changed' END AS change,
       url, name, CASE WHEN new THEN after ELSE before END AS sha256
FROM pairs WHERE NOT (old AND new) OR before IS DISTINCT FROM after
ORDER BY name, url
"""


@dataclass(frozen=True)
class ManifestDifference:
    """What changed from one manifest to another; a row is a URL under a name, once.

    `changed` rows have another digest; `moved` are URLs that went from one name to another, whose
    rows count as removed and added. Rejected rows take no part.
    """

    added: int
    removed: int
    changed: int
    same: int
    moved: int
    names_added: int
    names_removed: int
    names_same: int


def manifest_difference(
    old: Manifest, new: Manifest, out: str | None = None, memory: str = "2GB"
) -> ManifestDifference:
    """Compare two manifests, whatever their formats and the order of their rows.

    Args:
        old: The one before.
        new: The one after.
        out: A Parquet file for the rows that differ: change (added, removed, changed), url, name
            (of released manifests the person), sha256; sorted by name and URL.
        memory: What the comparison may use before it goes to the disk.
    """
    with (
        scratch_folder("diff") as scratch,
        ScratchDatabase(scratch, memory) as database,
    ):
        for _ in database.query(_PAIRS, batch=(_ROWS, _rows(old, new))):
            pass
        added, removed, changed, same = database.row(_COUNTS)
        names_added, names_removed, names_same = database.row(_NAMES)
        (moved,) = database.row(_MOVED)
        if out is not None:
            with new_manifest(out, old.parts.sources + new.parts.sources, CHANGES) as file:
                for batch in database.query(_CHANGED):
                    file.write(batch.cast(CHANGES))
    return ManifestDifference(
        added, removed, changed, same, moved, names_added, names_removed, names_same
    )


def _rows(old: Manifest, new: Manifest) -> Iterator[pa.RecordBatch]:
    for manifest, is_new in ((old, False), (new, True)):
        for batch in manifest.usable():
            side = bool_array(np.full(batch.num_rows, is_new))
            columns = [batch.column(name) for name in ("url", "name", "sha256")]
            yield pa.record_batch([*columns, side], schema=_ROWS)
