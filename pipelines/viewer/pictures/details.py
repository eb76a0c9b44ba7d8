"""All that the stages found in one image: what is drawn on its page."""

from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.viewer.index.shard_rows import stage_table
from pipelines.viewer.index.viewed import ViewedBuild
from webbody.parquet_tables import read_parquet

_TEXT, _REALS = pa.string(), pa.list_(pa.float32())
_FOUND = {
    "persons": [
        ("key", _TEXT), ("crop", _TEXT), ("index", pa.int32()), ("outcome", _TEXT),
        ("box", _REALS), ("score", pa.float32()), ("keypoints", _REALS),
    ],
    "faces": [
        ("key", _TEXT), ("crop", _TEXT), ("outcome", _TEXT), ("box", _REALS),
        ("landmarks", _REALS), ("score", pa.float32()),
    ],
    "keypoints": [("key", _TEXT), ("crop", _TEXT), ("keypoints", _REALS)],
}  # fmt: skip


@dataclass
class FoundInImage:
    """persons: everybody in the photo, in its pixels. faces and points: by crop, in the crop's."""

    persons: list[dict[str, Any]] = field(default_factory=list)
    faces: dict[str, dict[str, Any]] = field(default_factory=dict)
    points: dict[str, list[float]] = field(default_factory=dict)


def found_in(viewed: ViewedBuild, shard: str, key: str) -> FoundInImage:
    """What the stages say of a row of a shard."""
    rows = {}
    for stage, columns in _FOUND.items():
        table = stage_table(viewed.build, stage, shard, pa.schema(columns))
        rows[stage] = [] if table is None else table.filter(pc.equal(table["key"], key)).to_pylist()
    return FoundInImage(
        [row for row in rows["persons"] if row["outcome"] is None and row["box"]],
        {row["crop"]: row for row in rows["faces"] if row["box"]},
        {row["crop"]: row["keypoints"] for row in rows["keypoints"] if row["keypoints"]},
    )


@dataclass(frozen=True)
class PackedPlace:
    """Where a sample lies in the final shards."""

    pack: str
    offset: int
    length: int


def packed_place(viewed: ViewedBuild, sample: str) -> PackedPlace | None:
    """Where a sample was packed; None where it was not, or not yet."""
    schema = pa.schema([("key", _TEXT), ("offset", pa.int64()), ("length", pa.int64())])
    for pack in viewed.build.packs:
        record = viewed.build.record("pack", pack)
        if record is None or f"{pack}.parquet" not in record.outputs:
            continue
        try:
            with viewed.build.folder.open(f"pack/{pack}.parquet") as file:
                table = read_parquet(file, schema=schema)
        except FileNotFoundError:
            continue
        for row in table.filter(pc.equal(table["key"], sample)).to_pylist():
            if row["offset"] is not None:
                return PackedPlace(pack, row["offset"], row["length"])
    return None
