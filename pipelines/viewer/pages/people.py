"""Pages of people: all of them, one with all images, and one name."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.identity.features import unit
from pipelines.viewer.index.database import Row
from pipelines.viewer.index.people import crop_features
from pipelines.viewer.index.viewed import NotInBuild, ViewedBuild
from pipelines.viewer.pages.grid import COLUMNS, GridTile, tile_of

#: Images of a person on a page; the others are in the grid.
_MOST = 300
_PAGE = 60
_NEAREST = 6
#: Orders of the list of people.
ORDERS = {
    "": ("images", (("images", "descending"),)),
    "doubtful": ("lowest similarity of an image", (("lowest", "ascending"),)),
    "names": ("merged names", (("names", "descending"), ("images", "descending"))),
}
_PEOPLE = pa.schema(
    [
        ("person", pa.int64()), ("images", pa.int32()), ("names", pa.list_(pa.string())),
        ("outcome", pa.string()),
    ]
)  # fmt: skip


@dataclass
class PersonLine:
    """A person in a list: a picture, and figures in a line."""

    person: int
    tile: GridTile
    about: str


def people_page(viewed: ViewedBuild, order: str, page: int) -> dict[str, Any]:
    """What the template `people` shows."""
    order = order if order in ORDERS else ""
    people = viewed.people_list.sort_by([*ORDERS[order][1], ("person", "ascending")])
    rows = people.slice((page - 1) * _PAGE, _PAGE + 1).to_pylist()
    tiles = best_tiles(viewed, [row["person"] for row in rows[:_PAGE]])
    shown = [
        PersonLine(row["person"], tiles[row["person"]], _about(row))
        for row in rows[:_PAGE]
        if row["person"] in tiles
    ]
    return {
        "people": shown, "order": order, "orders": ORDERS, "page": page,
        "more": len(rows) > _PAGE, "dropped": dropped_people(viewed),
    }  # fmt: skip


def person_page(viewed: ViewedBuild, person: int, order: str) -> dict[str, Any]:
    """What the template `person` shows of a person with an id.

    Raises NotInBuild where nobody has it.
    """
    rows, count = _images_of(viewed, "person", person)
    if not rows:
        raise NotInBuild(f"{person}: nobody in this build has this id; it may have been retired.")
    cosines = _to_centre(viewed, person, rows)
    rows.sort(key=lambda row: cosines.get(row["crop"], -2.0), reverse=order != "lowest")
    centre = viewed.people.centre_of(person)
    near = [] if centre is None else viewed.people.nearest(centre, _NEAREST, but=person)
    names = sorted({row["name"] for row in rows if row["name"]})
    return {
        "person": person, "names": names, "order": order, "count": count,
        "all": [_with_cosine(tile_of(viewed, row), cosines.get(row["crop"])) for row in rows],
        "near": near_people(viewed, near), "name": "", "outcome": "",
        "splits": sorted({row["split"] for row in rows if row["split"]}),
    }  # fmt: skip


def _images_of(
    viewed: ViewedBuild, column: Literal["person", "name"], value: int | str
) -> tuple[list[Row], int]:
    """The first images of a person or a name, kept ones and the surest first, and how many."""
    rows = viewed.database.rows(
        f"SELECT {COLUMNS} FROM crops WHERE {column} = ? "
        "ORDER BY outcome = 'kept' DESC, similarity DESC NULLS LAST, crop LIMIT ?",
        (value, _MOST),
    )
    count = viewed.database.rows(f"SELECT count(*) AS n FROM crops WHERE {column} = ?", (value,))
    return rows, int(count[0]["n"])


def name_page(viewed: ViewedBuild, name: str) -> dict[str, Any]:
    """What the template `person` shows of a name, whether somebody became of it or not."""
    rows, count = _images_of(viewed, "name", name)
    if not rows:
        raise NotInBuild(f"{name[:200]!r}: there is no such name in this build.")
    people = sorted({row["person"] for row in rows if row["person"] is not None})
    return {
        "person": None, "people": people, "names": [name], "name": name, "order": "",
        "count": count, "all": [tile_of(viewed, row) for row in rows], "near": [],
        "outcome": _outcome_of(viewed, name), "splits": [],
    }  # fmt: skip


def best_tiles(viewed: ViewedBuild, people: Sequence[int]) -> dict[int, GridTile]:
    """A tile of each person: the image that resembles the others most."""
    found = viewed.database.rows(
        "SELECT arg_max(shard, coalesce(similarity, -2)) AS shard, "
        "arg_max(tie, coalesce(similarity, -2)) AS tie FROM crops "
        "WHERE person IN (SELECT unnest(?::BIGINT[])) AND outcome = 'kept' GROUP BY person",
        (list(people),),
    )
    rows = viewed.database.whole(COLUMNS, found)
    return {row["person"]: tile_of(viewed, row, "faces") for row in rows}


def near_people(viewed: ViewedBuild, near: Sequence[tuple[int, float]]) -> list[PersonLine]:
    """People with their cosines, in the order given."""
    tiles = best_tiles(viewed, [person for person, _ in near])
    return [
        PersonLine(person, tiles[person], f"cosine {cosine:.3f}")
        for person, cosine in near
        if person in tiles
    ]


def dropped_people(viewed: ViewedBuild) -> list[tuple[str, str, int]]:
    """Names of people who were dropped as a whole, with why and how many images they had."""
    table = viewed.table_of_all("identities", "people", _PEOPLE)
    if table is None:
        return []
    rows = table.filter(pc.is_valid(table["outcome"])).slice(0, 500).to_pylist()
    return [(name, row["outcome"], row["images"] or 0) for row in rows for name in row["names"]]


def _outcome_of(viewed: ViewedBuild, name: str) -> str:
    return next((outcome for one, outcome, _ in dropped_people(viewed) if one == name), "")


def _to_centre(viewed: ViewedBuild, person: int, rows: Sequence[Row]) -> dict[str, float]:
    """The cosine of each crop to the person's centre."""
    centre = viewed.people.centre_of(person)
    if centre is None:
        return {}
    cosines = {}
    for shard in sorted({row["shard"] for row in rows}):
        crops = [row["crop"] for row in rows if row["shard"] == shard and row["crop"]]
        for crop, feature in crop_features(viewed.build, shard, crops).items():
            cosines[crop] = float(np.dot(unit(feature), centre))
    return cosines


def _with_cosine(tile: GridTile, cosine: float | None) -> GridTile:
    if cosine is not None:
        tile.lines = [line for line in tile.lines if not _is_figure(line)]
        tile.lines.append(f"{cosine:.3f} to the centre")
    return tile


def _is_figure(line: str) -> bool:
    return line.replace(" · ", "").replace(".", "").replace("-", "").isdecimal()


def _about(row: Row) -> str:
    parts = [f"{row['images']:,} images"]
    if row["names"] > 1:
        parts.append(f"{row['names']} names")
    if row["lowest"] is not None:
        parts.append(f"from {row['lowest']:.2f}")
    if row["split"]:
        parts.append(row["split"])
    return ", ".join(parts)
