"""What a finished build says of each manifest row, gathered from its committed tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from webbody.build_records import BuildRecords, output_shards
from webbody.commit import ALL
from webbody.parquet_tables import open_parquet
from webbody.storage import Folder

KEPT = "kept"


@dataclass
class Crop:
    """One detected person. box, area: (4,) xyxy px of the upright photo; area is what was cut out.

    face: (4,) xyxy px of the photo, None unless a trusted face was found. keypoints: (19, 3) x, y
    (px of the photo), visibility; None unless the crop was kept. person: its label if it was kept.
    """

    name: str
    box: np.ndarray
    area: np.ndarray
    face: np.ndarray | None = None
    keypoints: np.ndarray | None = None
    person: int | None = None


@dataclass
class Built:
    """A build by sample key.

    outcomes: key -> outcome in the ledger.
    rejected: manifest row -> (url, name, outcome) of rows that planning turned away.
    ledger_rows: rows of the ledger, which may hold a key twice only by mistake.
    seen: keys of the photos in which persons were searched.
    crops: key -> detected persons that went on.
    people: names of each person after merging.
    """

    outcomes: dict[str, str] = field(default_factory=dict)
    rejected: dict[int, tuple[str | None, str | None, str]] = field(default_factory=dict)
    ledger_rows: int = 0
    seen: set[str] = field(default_factory=set)
    crops: dict[str, list[Crop]] = field(default_factory=dict)
    people: list[list[str]] = field(default_factory=list)


def read_build(out: str) -> Built:
    """Read a build's folder (path or fsspec URL).

    Raises WebbodyError where a commit record is missing, or of other settings: the build is not
    finished.
    """
    records = BuildRecords(Folder(out))
    built = Built()
    for row in _rows(records, "plan", ALL, "rejected.parquet"):
        built.rejected[row["row"]] = (row["url"], row["name"], row["outcome"])
    by_name: dict[str, Crop] = {}
    for shard in records.shards:
        _read_shard(records, shard, built, by_name)
    for shard in output_shards(records.need("split")):
        for row in _rows(records, "split", ALL, f"{shard}.parquet"):
            crop = by_name[row["crop"]]
            crop.person = row["person"]
            points = np.array(row["keypoints"], float).reshape(-1, 3)
            points[:, :2] += crop.area[:2]
            crop.keypoints = points
    for row in _rows(records, "identities", ALL, "people.parquet"):
        if row["outcome"] is None:
            built.people.append(row["names"])
    return built


def _read_shard(records: BuildRecords, shard: str, built: Built, by_name: dict[str, Crop]) -> None:
    for row in _rows(records, "persons", shard):
        if not (row["outcome"] or "").startswith(("image:", "custom:")):
            built.seen.add(row["key"])
        if row["outcome"] is None:
            crop = Crop(row["crop"], np.array(row["box"], float), np.array(row["area"], float))
            by_name[crop.name] = crop
            built.crops.setdefault(row["key"], []).append(crop)
    for row in _rows(records, "faces", shard):
        if row["outcome"] is None:
            crop = by_name[row["crop"]]
            crop.face = np.array(row["box"], float) + np.tile(crop.area[:2], 2)
    for row in _rows(records, "ledger", shard):
        built.outcomes[row["key"]] = row["outcome"]
        built.ledger_rows += 1


def _rows(
    records: BuildRecords, stage: str, shard: str, name: str = ""
) -> Iterator[dict[str, Any]]:
    """Rows of a committed table, without the features, a batch at a time."""
    records.need(stage, shard)
    with records.folder.open(f"{stage}/{name or f'{shard}.parquet'}") as file:
        table = open_parquet(file)
        columns = [column for column in table.schema_arrow.names if column != "feature"]
        for batch in table.iter_batches(columns=columns, use_threads=False):
            yield from batch.to_pylist()
