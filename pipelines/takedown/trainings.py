"""Which trainings used removed samples, by their cached tables."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from webbody.errors import WebbodyError
from webbody.parquet_tables import read_parquet
from webbody.storage import Folder

#: Of a packed sample: its person, and where its picture lies in its shard.
Place = tuple[int, int, int]
#: Stands for the person of a whole photo.
_NOBODY = -1


def packed_places(folder: Folder) -> dict[str, Place]:
    """Person, offset and length of every packed sample, by its key."""
    out: dict[str, Place] = {}
    for name in folder.names("pack"):
        if name.endswith(".parquet"):
            with folder.open(f"pack/{name}") as file:
                table = read_parquet(file)
            people = [_NOBODY] * len(table)
            if "person" in table.column_names:
                people = table["person"].to_pylist()
            columns = (people, table["offset"].to_pylist(), table["length"].to_pylist())
            out |= dict(zip(table["key"].to_pylist(), zip(*columns, strict=True), strict=True))
    return out


def seen_by(run: Path, removed: Mapping[str, Place]) -> int:
    """How many of some samples a training had in its data, by the table in its cache.

    Raises WebbodyError where the folder is of no training.
    """
    tables = sorted((run / "cache").glob("samples-*.arrow"))
    if not tables:
        raise WebbodyError(f"--run {run}: is no folder of a training that kept its cache/.")
    names = ("person", "offset", "length")
    places = np.array(sorted(removed.values()), np.int64).reshape(-1, 3)
    seen = np.zeros(len(places), bool)
    for path in tables:
        with pa.memory_map(str(path)) as file:
            table = pa.ipc.open_file(file).read_all().select(names)
            had = np.stack([table[name].to_numpy().astype(np.int64) for name in names], 1)
        had = had[np.isin(had[:, 0], places[:, 0])]
        seen |= (places[:, None] == had[None]).all(2).any(1) if len(had) else False
    return int(seen.sum())
