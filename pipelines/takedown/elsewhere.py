"""Removals from files outside a build folder: galleries and features."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.identity.features import from_column, unit
from pipelines.identity.gallery_file import read_gallery
from pipelines.takedown.alike import FoundAlike
from webbody.errors import WebbodyError
from webbody.parquet_tables import read_parquet
from webbody.removals import RemovalLists
from webbody.storage import Folder


def without_similar(gallery: Path, found: FoundAlike) -> int:
    """Remove the identities of a gallery that are similar to the people found; how many.

    Raises WebbodyError if it is no gallery, or of another embedder.
    """
    read_gallery(gallery).check(found.embedder, len(found.feature))
    table = read_parquet(gallery)
    cosine = unit(from_column(table["feature"])) @ found.feature
    stay = cosine < found.threshold
    if not stay.all():
        _write(gallery, table.filter(pa.array(stay)))
    return int((~stay).sum())


def without_removed(features: Path, lists: RemovalLists) -> int:
    """Take rows out of a file of `webbody embed` whose sample or person was removed; how many.

    Raises WebbodyError where it is no such file.
    """
    try:
        table = read_parquet(features)
    except (OSError, pa.ArrowException) as error:
        raise WebbodyError(f"{features}: is no file of features of `webbody embed`.") from error
    if not {"key", "person", "feature"} <= set(table.column_names):
        raise WebbodyError(f"{features}: is no file of features of `webbody embed`.")
    pairs = zip(table["key"].to_pylist(), table["person"].to_pylist(), strict=True)
    gone = np.array([lists.contains(sample=key, person=person) for key, person in pairs], bool)
    if gone.any():
        _write(features, table.filter(pc.invert(pa.array(gone))))
    return int(gone.sum())


def _write(path: Path, table: pa.Table) -> None:
    with Folder(path.resolve().parent).write(path.name) as file:
        pq.write_table(table, file, compression="zstd")
