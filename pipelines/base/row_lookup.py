"""Which shards of a plan may hold a URL or a key, found without reading the plan.

A table of (hash, shard), sorted by hash in small row groups, whose statistics lead to the one that
is needed. Hashes are of 32 bits: a few strangers share one, so the shards are looked at in the end.
"""

import json
import logging
import zlib
from bisect import bisect_left
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from webbody.parquet_tables import open_parquet
from webbody.scratch import scratch_folder
from webbody.storage import Folder

#: A side file (`webbody.commit.is_side_file`) in Parquet that is not called so, as whoever reads
#: `plan/*.parquet` wants its rows.
LOOKUP = "all.urls.lookup"
_PARTS = 64  # of the hashes' range, a power of two; one at a time is in memory
_GROUP = 1 << 17
_SHARDS = b"shards"
_LOG = logging.getLogger(__name__)


class RowLookup:
    """Collects the URLs and keys of a plan's shards; use it in a `with`."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        folder = Path(self._stack.enter_context(scratch_folder("lookup")))
        self._files = [
            self._stack.enter_context(open(folder / str(part), "w+b")) for part in range(_PARTS)
        ]
        self._shards: list[str] = []

    def add(self, shard: str, *columns: pa.ChunkedArray) -> None:
        """The values (strings, N) by which a shard's rows are asked for."""
        hashes = [_hash(value) for column in columns for value in column.to_pylist()]
        # The hash in the upper half, the shard's number in the lower one: sorted as numbers.
        pairs = np.sort(np.array(hashes, np.uint64)) << np.uint64(32)
        pairs |= np.uint64(len(self._shards))
        self._shards.append(shard)
        ends = np.arange(1, _PARTS, dtype=np.uint64) << np.uint64(64 - _PARTS.bit_length() + 1)
        pieces = np.split(pairs, np.searchsorted(pairs, ends))
        for file, piece in zip(self._files, pieces, strict=True):
            file.write(piece.tobytes())

    def write(self, out: IO[bytes]) -> None:
        """Write the table."""
        names = {_SHARDS: json.dumps(self._shards).encode()}
        schema = pa.schema([("hash", pa.int64()), ("shard", pa.int32())], names)
        encodings = {"hash": "DELTA_BINARY_PACKED", "shard": "PLAIN"}
        with pq.ParquetWriter(
            out, schema, compression="zstd", use_dictionary=False, column_encoding=encodings
        ) as writer:
            for file in self._files:
                file.seek(0)
                pairs = np.unique(np.frombuffer(file.read(), np.uint64))
                if not len(pairs):
                    continue
                columns = [(pairs >> np.uint64(32)).astype(np.int64), pairs.astype(np.int32)]
                writer.write_table(pa.table(columns, schema=schema), row_group_size=_GROUP)

    def __enter__(self) -> "RowLookup":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)


def shards_with(folder: Folder, stage: str, values: Iterable[str]) -> list[str] | None:
    """The shards that may hold one of the values, in order.

    None where there is no table, or one that cannot be read: the plan itself tells the same.
    """
    name = f"{stage}/{LOOKUP}"
    if folder.size(name) is None:
        return None
    try:
        with folder.open(name) as source:
            return _found(source, sorted({_hash(value) for value in values}))
    except (pa.ArrowException, LookupError, TypeError, ValueError) as error:
        _LOG.warning("%s cannot be read: %s", folder.path(name), error)
        return None


def shards_of_names(
    folder: Folder, stage: str, shards: Iterable[str], names: Iterable[str]
) -> set[str]:
    """Those of a plan's shards in which these names may stand, by the ranges in their footers."""
    wanted = set(names)
    found = set()
    for shard in shards:
        with folder.open(f"{stage}/{shard}.parquet") as file:
            footer = open_parquet(file).metadata
        column = footer.schema.names.index("name")
        for group in range(footer.num_row_groups):
            stats = footer.row_group(group).column(column).statistics
            ranged = stats is not None and stats.has_min_max
            if not ranged or any(stats.min <= name <= stats.max for name in wanted):
                found.add(shard)
    return found


def _found(source: IO[bytes], wanted: Iterable[int]) -> list[str]:
    file = open_parquet(source)
    shards = json.loads(file.schema_arrow.metadata[_SHARDS])
    groups = range(file.num_row_groups)

    def highest(group: int) -> int:
        return int(file.metadata.row_group(group).column(0).statistics.max)

    found: set[int] = set()
    for value in wanted:
        # A hash that many rows share may go on in the next groups.
        for group in groups[bisect_left(groups, value, key=highest) :]:
            pairs = file.read_row_group(group, use_threads=False)
            hashes = pairs["hash"].to_numpy()
            found |= set(pairs["shard"].to_numpy()[hashes == value].tolist())
            if highest(group) > value:
                break
    return sorted(shards[shard] for shard in found)


def _hash(value: str) -> int:
    return zlib.crc32(value.encode("utf-8", "surrogatepass"))
