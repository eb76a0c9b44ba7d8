"""What packed samples say of themselves: keys, people, splits, boxes, the index."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipelines.stages.pack import INDEX, index_of
from pipelines.verify.committed import Committed
from pipelines.verify.findings import Finding, Redo, error, some, warning
from webbody.errors import WebbodyError
from webbody.parquet_tables import read_parquet
from webbody.storage import Folder

_AGAIN = "run `webbody build` again"


class PackedSamples:
    """Looks at the tables of a build's or an import's shards; one after the other."""

    def __init__(self, folder: Folder, committed: Committed) -> None:
        self._folder, self._committed = folder, committed
        self._keys, self._people = [np.zeros(0, "S20")], [np.zeros(0, np.int64)]
        self._splits = [np.zeros(0, "S10")]

    def check(self, shard: str) -> Iterator[Finding]:
        """At the table of a shard, whose bytes are as they were written."""
        where = f"pack/{shard}.parquet"
        with self._folder.open(where) as file:
            table = read_parquet(file)
        record = self._committed.records["pack", shard]
        redo = Redo("pack", shard, f"{shard}.parquet")
        split = shard.partition("-")[0]
        if len(table) != record.counts.get("out"):
            message = f"has {len(table):,} samples, its record {record.counts.get('out')}"
            yield error(where, message, _AGAIN, redo)
        if set(table["split"].to_pylist()) - {split}:
            yield error(where, f"has samples of another split than {split}", _AGAIN, redo)
        end = table["offset"].to_numpy() + table["length"].to_numpy()
        if len(table) and end.max() > record.outputs[f"{shard}.tar"].bytes:
            yield error(where, "has samples beyond the end of the tar", _AGAIN, redo)
        self._keys.append(np.array(table["key"].to_pylist(), "S20"))
        if "person" not in table.column_names:  # whole photos
            return
        self._people.append(table["person"].to_numpy())
        self._splits.append(np.full(len(table), split, "S10"))

    @property
    def people(self) -> int:
        """The people of all shards."""
        return len(np.unique(np.concatenate(self._people)))

    def check_together(self) -> Iterator[Finding]:
        """What holds for all samples together; all shards must have been looked at."""
        keys, people = np.concatenate(self._keys), np.concatenate(self._people)
        yield from key_findings("pack", keys)
        yield from people_findings("pack", people, np.concatenate(self._splits))


def key_findings(where: str, keys: NDArray[np.bytes_]) -> Iterator[Finding]:
    """Keys (N,) that are there more than once."""
    if twice := len(keys) - len(np.unique(keys)):
        yield error(where, f"{twice:,} samples have the key of another one")


def people_findings(
    where: str, people: NDArray[np.int64], splits: NDArray[np.bytes_]
) -> Iterator[Finding]:
    """People in several splits, and people with a single image; of each sample (N,)."""
    everybody, first, images = np.unique(people, return_index=True, return_counts=True)
    torn = np.unique(people[splits != splits[first][np.searchsorted(everybody, people)]])
    if len(torn):
        yield error(
            where,
            f"{len(torn):,} people are in more than one split (person {some(torn.tolist())})",
            "split again before you train: a test would meet people it knows",
        )
    if alone := int((images == 1).sum()):
        yield warning(
            where,
            f"{alone:,} of {len(everybody):,} people have one image",
            "nobody can be recognised in a single image: leave them out where pairs are needed",
        )


def split_boxes(table: pa.Table) -> NDArray[np.float64]:
    """The boxes (N, 4) of a split's table in fractions; of whole photos those of all persons."""
    whole = "boxes" in table.column_names
    column = table["boxes" if whole else "box"].combine_chunks()
    boxes = np.asarray(column.flatten().to_numpy(zero_copy_only=False).reshape(-1, 4), np.float64)
    if not whole:
        return boxes
    persons = pc.list_value_length(column).to_numpy() // 4
    sides = np.stack([table["width"].to_numpy(), table["height"].to_numpy()] * 2, 1)
    return np.asarray(boxes / np.repeat(sides, persons, axis=0), np.float64)


def box_findings(
    where: str, boxes: NDArray[np.floating], redo: Redo | None = None
) -> Iterator[Finding]:
    """Boxes (N, 4), xyxy in fractions, that are not inside their pictures or hold nothing."""
    inside = (boxes >= 0).all(1) & (boxes <= 1).all(1)
    filled = (boxes[:, :2] < boxes[:, 2:]).all(1)
    if len(wrong := np.flatnonzero(~(inside & filled))):
        message = f"{len(wrong):,} boxes are not inside their pictures (row {some(wrong.tolist())})"
        yield error(where, message, _AGAIN if redo else "", redo)


def index_findings(folder: Folder, right: bytes | None) -> Iterator[Finding]:
    """Whether the index is the one that the records ask for; `right` is None where none is."""
    redo = Redo("pack", "index", "index.json")
    try:
        if right is not None and folder.read(INDEX) != right:
            yield error(INDEX, "is not what the commit records say", _AGAIN, redo)
    except FileNotFoundError:
        yield error(INDEX, "is missing, so the folder counts as unfinished", _AGAIN, redo)


def index_of_build(folder: Folder) -> bytes | None:
    """The index that the records ask for; None where some are missing, which they tell."""
    try:
        return index_of(folder)
    except (WebbodyError, OSError, KeyError, pa.ArrowException):
        return None
