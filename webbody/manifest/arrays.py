"""Arrow arrays to numpy's and back, without pandas.

pyarrow's own conversions import pandas to see whether it is wanted, which takes longer than reading
a short list.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa


def int_array(values: np.ndarray) -> pa.Array:
    """Integers of 32 or 64 bits."""
    small = values.dtype == np.int32
    whole = np.ascontiguousarray(values, np.int32 if small else np.int64)
    kind = pa.int32() if small else pa.int64()
    return pa.Array.from_buffers(kind, len(whole), [None, pa.py_buffer(whole)])


def bool_array(values: np.ndarray) -> pa.BooleanArray:
    """Truth values."""
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, bits(values)])


def bits(values: np.ndarray) -> pa.Buffer:
    """Truth values as Arrow packs them, also for which values of an array are there."""
    return pa.py_buffer(np.packbits(values, bitorder="little"))


def text_array(texts: Sequence[str | None]) -> pa.StringArray:
    """Texts, null where None stands."""
    raw = [(text or "").encode() for text in texts]
    bounds = np.cumsum([0, *map(len, raw)], dtype=np.int32)
    there = bits(np.array([text is not None for text in texts], bool))
    buffers = (pa.py_buffer(bounds), pa.py_buffer(b"".join(raw)), there)
    return pa.StringArray.from_buffers(len(raw), *buffers)


def ints(array: pa.Int64Array) -> np.ndarray:
    """The numbers of an array without nulls."""
    return np.frombuffer(array.buffers()[1], np.int64)[array.offset : array.offset + len(array)]


def truths(array: pa.BooleanArray) -> np.ndarray:
    """The truth values of an array, false where there is null."""
    there, values = array.buffers()
    found = _unpacked(values, array)
    return found if there is None else found & _unpacked(there, array)


def _unpacked(packed: pa.Buffer, array: pa.Array) -> np.ndarray:
    last = array.offset + len(array)
    unpacked = np.unpackbits(np.frombuffer(packed, np.uint8), count=last, bitorder="little")
    return unpacked[array.offset :].astype(bool)
