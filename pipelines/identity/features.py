"""Face features in tables and arrays: raw, of unit length, and summed to centres.

A raw feature keeps its norm, which indicates the quality of the face, so good faces weigh more in a
sum. Similarity is the cosine. The size of a feature depends on the embedder and is stored in a
table's schema.
"""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Floats = NDArray[np.float32]

#: Table metadata that says which embedder made the features: the sha256 of its file.
EMBEDDER = b"webbody.embedder"


def feature_type(width: int) -> pa.DataType:
    """The type of the column `feature` in every table: `width` numbers in half precision."""
    return pa.list_(pa.float16(), width)


def to_column(
    features: NDArray[np.floating], mask: NDArray[np.bool_] | None = None
) -> pa.FixedSizeListArray:
    """Features (N, D) as a column; null where `mask` (N,) is set."""
    half = np.ascontiguousarray(features, dtype=np.float16)
    return pa.FixedSizeListArray.from_arrays(
        pa.array(half.ravel()),
        type=feature_type(half.shape[1]),
        mask=None if mask is None else pa.array(mask),
    )


def from_column(column: pa.ChunkedArray | pa.Array) -> Floats:
    """The features (N, D) of a column without nulls, as float32.

    A feature with a value that is not finite becomes zero, which is similar to nothing.
    """
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    features: Floats = column.flatten().to_numpy(zero_copy_only=False).astype(np.float32)
    features = features.reshape(len(column), column.type.list_size)
    features[~np.isfinite(features).all(1)] = 0
    return features


def embedder_of(table: pa.Table) -> str:
    """The sha256 of the embedder of a table's features; "" if not stored."""
    return ((table.schema.metadata or {}).get(EMBEDDER) or b"").decode()


def unit(features: NDArray[np.floating]) -> Floats:
    """Features (..., D) at length 1, float32; zero stays zero."""
    features = np.asarray(features, dtype=np.float32)
    norm = np.linalg.norm(features, axis=-1, keepdims=True)
    return np.asarray(features / np.maximum(norm, 1e-12), dtype=np.float32)


def centre(features: Floats) -> Floats:
    """The sum (D,) of raw features (N, D), added up in double precision."""
    return np.asarray(features.sum(0, dtype=np.float64), dtype=np.float32)
