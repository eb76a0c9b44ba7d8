"""The page of review: what a person should look at first, and how many errors may be left."""

from dataclasses import dataclass
from typing import Any

from pipelines.corrections.review.people import PairToReview
from pipelines.viewer.index.viewed import ViewedBuild
from pipelines.viewer.pages.grid import COLUMNS, GridTile, tile_of

_UNITS, _OF_ONE, _PAIRS = 12, 8, 10


@dataclass
class UnitToReview:
    """A decision: of a picture alone, or of a group that looks alike; `more` are not shown."""

    name: str
    outcome: str
    crops: list[str]
    tiles: list[GridTile]
    more: int
    to_person: float | None
    nearest: float | None
    person: list[GridTile]


def review_page(viewed: ViewedBuild) -> dict[str, Any]:
    """What the template `review` shows.

    Raises WebbodyError where the build knows no people, or a correction cannot be read.
    """
    state = viewed.review
    units = state.next_units(_UNITS)
    shown = {crop for unit in units for crop in unit["crops"][:_OF_ONE]}
    shards = sorted({unit["shard"] for unit in units})
    tiles = _tiles(viewed, sorted(shown), shards)
    beside = _of_persons(viewed, sorted({unit["name"] for unit in units}), shards)
    pairs: list[PairToReview] = state.pairs[:_PAIRS]
    return {
        "units": [
            UnitToReview(
                unit["name"] or "",
                unit["outcome"] or "kept",
                unit["crops"],
                [tiles[crop] for crop in unit["crops"][:_OF_ONE] if crop in tiles],
                max(0, len(unit["crops"]) - _OF_ONE),
                unit["to_person"],
                unit["nearest"],
                [one for one in beside.get(unit["name"], ()) if one.crop not in unit["crops"]][:4],
            )
            for unit in units
        ],
        "pairs": pairs,
        "estimate": state.estimate().sentence(),
    }


#: Rows of other shards are left out before their other columns are read.
_IN_SHARDS = "list_contains(?::VARCHAR[], shard)"


def _tiles(viewed: ViewedBuild, crops: list[str], shards: list[str]) -> dict[str, GridTile]:
    rows = viewed.database.rows(
        f"SELECT {COLUMNS} FROM crops WHERE {_IN_SHARDS} AND crop IN (SELECT unnest(?::VARCHAR[]))",
        (shards, crops),
    )
    return {row["crop"]: tile_of(viewed, row, "faces") for row in rows}


def _of_persons(
    viewed: ViewedBuild, names: list[str], shards: list[str]
) -> dict[str, list[GridTile]]:
    """The surest kept pictures of each name, to compare with; shards: those of the names."""
    rows = viewed.database.rows(
        f"SELECT {COLUMNS} FROM crops WHERE {_IN_SHARDS} "
        "AND name IN (SELECT unnest(?::VARCHAR[])) AND outcome = 'kept' QUALIFY row_number() OVER "
        "(PARTITION BY name ORDER BY similarity DESC NULLS LAST, crop) <= 5 "
        "ORDER BY similarity DESC",
        (shards, names),
    )
    found: dict[str, list[GridTile]] = {}
    for row in rows:
        found.setdefault(row["name"], []).append(tile_of(viewed, row, "faces"))
    return found
