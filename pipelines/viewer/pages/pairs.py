"""Pairs side by side: names that were or were not merged, and pictures that repeat others."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.viewer.index.database import Row
from pipelines.viewer.index.marks import Mark
from pipelines.viewer.index.viewed import ViewedBuild
from pipelines.viewer.pages.grid import COLUMNS, GridTile, tile_of

_PAGE = 20
_OF_ONE = 5
DUPLICATES, COPIES = "duplicates", "near copies"
_PAIRS = pa.schema(
    [
        ("name_a", pa.string()), ("name_b", pa.string()), ("similarity", pa.float32()),
        ("decision", pa.string()),
    ]
)  # fmt: skip
_COPIES = pa.schema(
    [
        ("crop_a", pa.string()), ("crop_b", pa.string()), ("person_a", pa.int64()),
        ("person_b", pa.int64()), ("gallery", pa.string()), ("identity", pa.string()),
        ("bits", pa.int32()), ("similarity", pa.float32()), ("decision", pa.string()),
    ]
)  # fmt: skip
#: Decisions in plain words.
MEANINGS = {
    "merged": "similar enough to be one person",
    "apart": "similar, and kept apart: other names of theirs are not",
    "unmerged": "similar to several people who are not one: dropped",
    "ambiguous": "nearly, but not surely, one person: the smaller one was dropped",
    "leak": "like somebody of a validation set: dropped",
    "one-person": "somebody said that they are one",
    "two-people": "somebody said that they are two",
    COPIES: "the same photo under two people, or a picture of a gallery: told, or dropped",
    DUPLICATES: "almost the same picture: the second one was dropped",
}


@dataclass
class PairSide:
    """One of two: a name with its pictures, or one picture."""

    title: str
    tiles: list[GridTile]
    name: str = ""


@dataclass
class ShownPair:
    """Two sides, their similarity, and what was decided."""

    sides: tuple[PairSide, PairSide]
    similarity: float | None
    decision: str
    marks: Sequence[Mark] = ()


def pairs_page(viewed: ViewedBuild, decision: str, page: int) -> dict[str, Any]:
    """What the template `pairs` shows."""
    table = viewed.table_of_all("identities", "pairs", _PAIRS)
    table = _PAIRS.empty_table() if table is None else table
    counts = Counter(value or "merged" for value in table["decision"].to_pylist())
    repeated = viewed.database.rows(
        "SELECT count(*) AS n FROM crops WHERE starts_with(outcome, 'identity:duplicate-of:')"
    )[0]["n"]
    if repeated:
        counts[DUPLICATES] = repeated
    copies = viewed.table_of_all("identities", "near-copies", _COPIES)
    if copies is not None and len(copies):
        counts[COPIES] = len(copies)
    decision = decision if decision in counts else next(iter(counts), "")
    start = (page - 1) * _PAGE
    if decision == DUPLICATES:
        pairs = _duplicates(viewed, start)
    elif decision == COPIES and copies is not None:
        pairs = _copies(viewed, copies.slice(start, _PAGE).to_pylist())
    else:
        mask = pc.equal(pc.fill_null(table["decision"], "merged"), decision)
        rows = table.filter(mask).sort_by([("similarity", "descending"), ("name_a", "ascending")])
        pairs = _of_names(viewed, rows.slice(start, _PAGE).to_pylist())
    return {
        "pairs": pairs, "decision": decision, "counts": dict(counts), "meanings": MEANINGS,
        "page": page, "pages": -(-counts[decision] // _PAGE) if decision else 0,
    }  # fmt: skip


def _of_names(viewed: ViewedBuild, rows: list[dict[str, Any]]) -> list[ShownPair]:
    names = sorted({row[side] for row in rows for side in ("name_a", "name_b") if row[side]})
    crops = viewed.database.rows(
        f"SELECT {COLUMNS} FROM crops WHERE name IN (SELECT unnest(?::VARCHAR[])) "
        "AND crop IS NOT NULL AND similarity IS NOT NULL QUALIFY row_number() OVER "
        "(PARTITION BY name ORDER BY outcome = 'kept' DESC, similarity DESC, crop) <= ? "
        "ORDER BY outcome = 'kept' DESC, similarity DESC",
        (names, _OF_ONE),
    )
    of_name: dict[str, list[Row]] = {}
    for crop in crops:
        of_name.setdefault(crop["name"], []).append(crop)

    def side(name: str) -> PairSide:
        tiles = [tile_of(viewed, crop, "faces") for crop in of_name.get(name, ())]
        for tile in tiles:
            tile.lines = tile.lines[1:]  # the name stands above
        return PairSide(name, tiles, name if tiles else "")

    marks = viewed.marks.of_names
    return [
        ShownPair(
            (side(row["name_a"] or ""), side(row["name_b"] or "")),
            row["similarity"],
            row["decision"] or "merged",
            marks.get((min(names), max(names)), ()),
        )
        for row in rows
        for names in [(row["name_a"] or "", row["name_b"] or "")]
    ]


def _copies(viewed: ViewedBuild, rows: list[dict[str, Any]]) -> list[ShownPair]:
    crops = sorted({row[side] for row in rows for side in ("crop_a", "crop_b") if row[side]})
    tiles = _tiles(viewed, crops)

    def side(row: dict[str, Any], which: str) -> PairSide:
        crop, person = row[f"crop_{which}"], row[f"person_{which}"]
        if which == "b" and row["gallery"]:
            return PairSide(f"{row['gallery']}: {row['identity']}", [])
        title = "dropped" if person is None else f"person {person}"
        return PairSide(title, [tiles[crop]] if crop in tiles else [])

    return [
        ShownPair((side(row, "a"), side(row, "b")), row["similarity"], row["decision"] or "told")
        for row in rows
    ]


def _tiles(viewed: ViewedBuild, crops: list[str]) -> dict[str, GridTile]:
    rows = viewed.database.rows(
        f"SELECT {COLUMNS} FROM crops WHERE crop IN (SELECT unnest(?::VARCHAR[]))", (crops,)
    )
    return {row["crop"]: tile_of(viewed, row) for row in rows}


def _duplicates(viewed: ViewedBuild, start: int) -> list[ShownPair]:
    rows = viewed.database.rows(
        f"SELECT {COLUMNS}, outcome[23:] AS original FROM crops "
        "WHERE starts_with(outcome, 'identity:duplicate-of:') "
        "ORDER BY decided, crop LIMIT ? OFFSET ?",
        (_PAGE, start),
    )
    originals = _tiles(viewed, [row["original"] for row in rows])
    found = []
    for row in rows:
        first = originals.get(row["original"])
        left = [first] if first else []
        sides = (PairSide("stays", left), PairSide("repeats it", [tile_of(viewed, row)]))
        found.append(ShownPair(sides, row["decided"], DUPLICATES))
    return found
