"""The table of all training samples, in memory or mapped from a cache file.

Shape suffixes: N samples, K keypoints.
"""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from model.shard_list import Shard, list_shards
from model.training.data.arrow_file import is_arrow, read_arrow, write_arrow
from model.training.data.scan import SCHEMA, scan_shards
from webbody.skeleton import COUNT

#: Part of a cache file's name; raised when the file's content changes.
_VERSION = 3
_SHARD, _DATASET, _LABEL = pa.int32(), pa.int32(), pa.int64()
_COLUMNS = pa.schema([*SCHEMA, ("shard", _SHARD), ("dataset", _DATASET), ("label", _LABEL)])

#: Called with the number of shards read, of all shards, and of samples in those read.
Scanned = Callable[[int, int, int], None]


@dataclass(frozen=True)
class Table:
    """The samples of data sets, numbered from 0 in the order of their shards.

    offset, length: of the picture in the tar `shards[shard]`. width, height: of the upright
    picture, 0 where it cannot be opened. plain: 1 for a plain JPEG (see webbody.images.Header).
    foreground_offset, foreground_length: of the foreground in the same tar; length 0: it has none.
    keypoints (N, K, 3): fractions of the picture on its white square,
    and visibility. label: 0 ... classes - 1, one for each person of each data set.
    """

    shards: list[str]
    shard: NDArray[np.int32]
    offset: NDArray[np.int64]
    length: NDArray[np.int32]
    width: NDArray[np.int32]
    height: NDArray[np.int32]
    plain: NDArray[np.uint8]
    foreground_offset: NDArray[np.int64]
    foreground_length: NDArray[np.int32]
    keypoints: NDArray[np.float32]
    dataset: NDArray[np.int32]
    person: NDArray[np.int64]
    label: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.shard)

    @cached_property
    def classes(self) -> int:
        """The number of people; those of different data sets are different classes."""
        return int(self.label.max()) + 1

    @cached_property
    def visible(self) -> NDArray[np.int64]:
        """Visible keypoints of each sample (N,), 0 to 19."""
        seen_N: NDArray[np.int64] = (self.keypoints[..., 2] > 0).sum(1)
        return seen_N

    def taken(self, rows_N: NDArray[np.bool_]) -> "Table":
        """The chosen samples alone, numbered from 0; people none of whose are chosen are none."""
        columns = {
            field.name: getattr(self, field.name)[rows_N]
            for field in fields(self)
            if field.name != "shards"
        }
        _, columns["label"] = np.unique(columns["label"], return_inverse=True)
        return replace(self, **columns)

    def places(self, ids: NDArray[np.int64], side: int) -> NDArray[np.int64]:
        """Where samples' pictures are: shard, offset, length, and 1 where it is a plain JPEG, and a
        square of `side` pixels already; (B, 4) for B samples."""
        fits_B = (self.width[ids] == side) & (self.height[ids] == side) & (self.plain[ids] == 1)
        return np.stack([self.shard[ids], self.offset[ids], self.length[ids], fits_B], 1)

    def foregrounds(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where samples' foregrounds are: offset, length, and width and height; (B, 4)."""
        columns = (self.foreground_offset, self.foreground_length, self.width, self.height)
        return np.stack([column[ids] for column in columns], 1)

    @cached_property
    def digest(self) -> str:
        """Equal for equal data; a run resumes only with the same digest."""
        digest = hashlib.blake2b(digest_size=16)
        for column in (self.dataset, self.person, self.shard, self.offset, self.length):
            digest.update(column.tobytes())
        return digest.hexdigest()


def read_table(
    datasets: Sequence[str],
    cache: str | os.PathLike[str] | None = None,
    *,
    split: str = "train",
    processes: int | None = None,
    on_shard: Scanned | None = None,
) -> Table:
    """The samples of data sets (see `list_shards`), in this order.

    Every shard is read once. With a `cache` folder the result is kept in a file there and read
    from it as long as the shards have the same paths, sizes and times; it is mapped into memory,
    so that processes of a machine share it. `on_shard` is called after each shard that is read.
    Raises WebbodyError, which names the shard and the key.
    """
    shards = list_shards(datasets, split)
    names = [shard.url for shard in shards]
    if cache is None:
        return _table(_scanned(shards, processes, on_shard), names)
    known = json.dumps([_VERSION, [(s.url, s.dataset, s.state) for s in shards]])
    key = hashlib.blake2b(known.encode(), digest_size=10).hexdigest()
    path = Path(cache) / f"samples-{key}.arrow"
    if not is_arrow(path, _COLUMNS):
        write_arrow(_scanned(shards, processes, on_shard), path)
    return _table(read_arrow(path), names)


def _scanned(shards: Sequence[Shard], processes: int | None, on_shard: Scanned | None) -> pa.Table:
    tables, samples = [], 0
    scans = scan_shards([shard.url for shard in shards], processes)
    for number, (shard, scan) in enumerate(zip(shards, scans, strict=True)):
        scan = scan.append_column("shard", pa.array([number] * len(scan), _SHARD))
        tables.append(
            scan.append_column("dataset", pa.array([shard.dataset] * len(scan), _DATASET))
        )
        samples += len(scan)
        if on_shard is not None:
            on_shard(number + 1, len(shards), samples)
    table = pa.concat_tables(tables)
    people = np.stack([table["dataset"].to_numpy(), table["person"].to_numpy()], 1)
    _, labels = np.unique(people, axis=0, return_inverse=True)
    # One chunk, or columns could not be mapped as arrays.
    return table.append_column("label", pa.array(labels.ravel(), _LABEL)).combine_chunks()


def _table(table: pa.Table, shards: list[str]) -> Table:
    def column(name: str) -> np.ndarray:
        column: np.ndarray = table[name].chunk(0).to_numpy(zero_copy_only=True)
        return column

    keypoints = table["keypoints"].chunk(0).flatten().to_numpy(zero_copy_only=True)
    names = (
        "shard", "offset", "length", "width", "height", "plain", "foreground_offset",
        "foreground_length", "dataset", "person", "label",
    )  # fmt: skip
    return Table(
        shards=shards,
        keypoints=keypoints.reshape(-1, COUNT, 3),
        **{name: column(name) for name in names},
    )
