"""The keys under which the crops of a shard are packed."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipelines.base.stage import Inputs
from pipelines.identity.tables import rows_of
from webbody.sample_keys import packed_key


def packed_keys(
    inputs: Inputs, shard: str, crops: pa.ChunkedArray | pa.Array, keys: pa.ChunkedArray
) -> NDArray[np.bytes_]:
    """The packed keys (N,) of crops (N,) of a shard; keys: the working keys of their rows."""
    persons = inputs.table("persons", shard, ["crop", "area"])
    areas = persons["area"].take(pa.array(rows_of(crops, persons["crop"]))).to_pylist()
    download = inputs.table("download", shard, ["key", "url"])
    urls = download["url"].take(pa.array(rows_of(keys, download["key"]))).to_pylist()
    pairs = zip(urls, areas, strict=True)
    return np.array([packed_key(url, area) for url, area in pairs], "S20")
