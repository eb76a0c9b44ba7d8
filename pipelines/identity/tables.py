"""Rows of the stages' tables: those that go on, by key, by name."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray


def kept(table: pa.Table) -> pa.Table:
    """The rows of a stage's table that go on: those without an outcome."""
    return table.filter(pc.is_null(table["outcome"]))


def rows_of(
    keys: pa.ChunkedArray | pa.Array, among: pa.ChunkedArray | pa.Array
) -> NDArray[np.int64]:
    """For each key its row in `among`, -1 where it is missing."""
    if isinstance(among, pa.ChunkedArray):
        among = among.combine_chunks()
    found = pc.fill_null(pc.index_in(keys, value_set=among), -1)
    return np.asarray(found.to_numpy(), dtype=np.int64)


def strings(column: pa.ChunkedArray) -> NDArray[np.str_]:
    """A column of strings as a numpy array."""
    return np.array(column.to_pylist(), dtype=str)


def by_name(names: pa.ChunkedArray, crops: NDArray[np.str_]) -> Iterator[NDArray[np.int64]]:
    """The rows of each name, sorted by crop so that the order of a table decides nothing."""
    if len(names) == 0:
        return
    codes = names.combine_chunks().dictionary_encode().indices.to_numpy()
    order = np.lexsort((crops, codes))
    yield from np.split(order, np.flatnonzero(np.diff(codes[order])) + 1)
