"""Which shards of a plan may hold a URL or a key, found without reading the plan.

A table of (hash, shard), sorted by hash in small row groups, whose statistics lead to the one that
is needed. Hashes are of 32 bits: a few strangers share one, so the shards are looked at in the end.
"""

import json
import zlib
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
_PARTS = 64  # of the hashes' range; one at a time is in memory
_GROUP = 1 << 17
_SHARDS = b"shards"
_PAIR = np.dtype([("hash", "<u4"), ("shard", "<u4")])


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
        pairs = np.zeros(sum(map(len, columns)), _PAIR)
        pairs["hash"] = [_hash(value) for column in columns for value in column.to_pylist()]
        pairs["shard"] = len(self._shards)
        self._shards.append(shard)
        part = pairs["hash"] // (2**32 // _PARTS)
        order = np.argsort(part, kind="stable")
        starts = np.searchsorted(part[order], np.arange(_PARTS + 1))
        pairs = pairs[order]
        for number in np.unique(part):
            self._files[number].write(pairs[starts[number] : starts[number + 1]].tobytes())

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
                pairs = np.unique(np.frombuffer(file.read(), _PAIR))
                if not len(pairs):
                    continue
                columns = [pairs["hash"].astype(np.int64), pairs["shard"].astype(np.int32)]
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
    """The shards that may hold one of the values, in order; None where there is no table."""
    name = f"{stage}/{LOOKUP}"
    if folder.size(name) is None:
        return None
    wanted = sorted({_hash(value) for value in values})
    found: set[int] = set()
    with folder.open(name) as source:
        file = open_parquet(source)
        # File-wide, the hashes are sorted: few row groups hold one.
        shards = json.loads(file.schema_arrow.metadata[_SHARDS])
        for number in range(file.num_row_groups):
            column = file.metadata.row_group(number).column(0).statistics
            here = [value for value in wanted if column.min <= value <= column.max]
            if here:
                pairs = file.read_row_group(number)
                rows = np.isin(pairs["hash"].to_numpy(), here)
                found |= set(pairs["shard"].to_numpy()[rows].tolist())
    return sorted(shards[shard] for shard in found)


def _hash(value: str) -> int:
    return zlib.crc32(value.encode("utf-8", "surrogatepass"))
