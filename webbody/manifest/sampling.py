"""A part of a manifest: whole names, drawn by a seed alone."""

import hashlib
import heapq

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from webbody.errors import WebbodyError
from webbody.manifest.arrays import bool_array
from webbody.manifest.reader import Manifest
from webbody.manifest.source import KEPT
from webbody.manifest.writer import new_manifest

_RANGE = 1 << 64


def sample_manifest(
    manifest: Manifest, out: str, names: int | None, fraction: float | None, seed: int
) -> tuple[int, int]:
    """Write the rows of some names to `out`, in the manifest's order; how many rows and names.

    A name is drawn by a digest of the seed and itself: it does not matter how the rows are sorted,
    and a larger sample of the same seed holds the smaller one.

    Args:
        manifest: What is sampled; opened with layout.keep EVERY its other columns stay.
        out: A Parquet file.
        names: So many names, all where there are fewer; or
        fraction: each name with this chance, in 0..1.
        seed: Of the draw.

    Raises:
        WebbodyError: Not one of `names` and `fraction` is given, or nothing is drawn.
    """
    if (names is None) == (fraction is None):
        raise WebbodyError("Give either a number of names or a fraction of them.")
    if names is not None and names < 1:
        raise WebbodyError("A number of names is 1 or more.")
    if fraction is not None and not 0 < fraction <= 1:
        raise WebbodyError(f"A fraction is above 0 and at most 1; {fraction:g} is not.")
    if names is not None:
        below = _smallest(manifest, names, seed) + 1
    else:
        below = int((fraction or 0) * _RANGE)
    rows = 0
    drawn: set[int] = set()
    with new_manifest(out, manifest.parts.sources) as file:
        for batch in manifest.usable():
            texts = batch.column("name").dictionary_encode()
            draws = [_draw(name, seed) for name in texts.dictionary.to_pylist()]
            drawn.update(draw for draw in draws if draw < below)
            chosen = bool_array(np.array([draw < below for draw in draws], bool))
            batch = batch.filter(pc.take(chosen, texts.indices))
            rows += batch.num_rows
            file.write(_as_in_file(batch, manifest))
        if not rows:
            raise WebbodyError(f"{manifest.path}: no name was drawn; ask for more of them.")
    return rows, len(drawn)


def _smallest(manifest: Manifest, count: int, seed: int) -> int:
    """The largest of the `count` smallest draws of the manifest's names."""
    heap: list[int] = []  # negative, so that the largest comes first
    members: set[int] = set()
    for batch in manifest.usable():
        for name in batch.column("name").unique().to_pylist():
            draw = _draw(name, seed)
            if draw in members or (len(heap) == count and draw >= -heap[0]):
                continue
            members.add(draw)
            heapq.heappush(heap, -draw)
            if len(heap) > count:
                members.remove(-heapq.heappop(heap))
    return -heap[0] if heap else -1


def _draw(name: str, seed: int) -> int:
    """A number in 0..2^64 - 1."""
    digest = hashlib.blake2b(name.encode(), digest_size=8, key=str(seed).encode(), person=b"sample")
    return int.from_bytes(digest.digest())


def _as_in_file(batch: pa.RecordBatch, manifest: Manifest) -> pa.RecordBatch:
    """Rows as a manifest has them: a released one has a number for the person, and no name."""
    columns = {"url": batch.column("url")}
    if manifest.columns["name"] == "person":
        columns["person"] = batch.column("name").cast(pa.int64())
    else:
        columns["name"] = batch.column("name")
    if "sha256" in manifest.columns:
        columns["sha256"] = batch.column("sha256")
    for name in batch.schema.names:
        if name.startswith(KEPT):
            columns[name.removeprefix(KEPT)] = batch.column(name)
    return pa.record_batch(columns)
