"""The grid: thumbnails of the crops that an address selects."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from pipelines.inspection.report.choosing import kind
from pipelines.inspection.report.funnel import meaning
from pipelines.outcomes import STAGES_OF
from pipelines.viewer.index.database import Row
from pipelines.viewer.index.marks import Mark
from pipelines.viewer.index.selection import PAGE, Selection, figures
from pipelines.viewer.index.shard_rows import flag_columns
from pipelines.viewer.index.viewed import ViewedBuild

#: Longer side of a thumbnail in pixels.
SIDE = 240
#: What tiles need of a crop, beside what the page shows of it.
COLUMNS = (
    "shard, key, crop, name, outcome, row_outcome, person, split, similarity, decided, tar, "
    '"offset", length, face_box, face_score, person_score, digest, sample, sha256, '
    "image_offset, image_length, url"
)


@dataclass
class GridTile:
    """A picture with what is to be known of it, or in a few words why there is none."""

    key: str
    crop: str
    link: str
    title: str
    kept: bool
    picture: str = ""
    empty: str = ""
    lines: list[str] = field(default_factory=list)
    marks: Sequence[Mark] = ()
    digest: str = ""


def grid(viewed: ViewedBuild, selection: Selection) -> dict[str, Any]:
    """What the template `grid` shows."""
    sql = f"FROM crops WHERE {selection.where}"
    count = viewed.database.rows(f"SELECT count(*) AS n {sql}", selection.values)[0]["n"]
    rows = _rows(viewed, selection, _with(selection, COLUMNS))
    known = figures(viewed.database.columns)
    sort = selection.given.get("sort", "").removeprefix("-")
    return {
        "all": [tile_of(viewed, row, selection.look, sort) for row in rows],
        "count": count,
        "pages": -(-count // PAGE),
        "selection": selection,
        "given": selection.given,
        "figures": known,
        "flags": [
            name
            for name in flag_columns(viewed.database.columns)
            if viewed.database.columns[name] == "BOOLEAN"
        ],
        "stages": [stage for stage in STAGES_OF if viewed.build.graph.has(stage)],
        "outcomes": outcomes_of(viewed),
        "splits": ("train", "validation", "test"),
    }


def _rows(viewed: ViewedBuild, selection: Selection, columns: str) -> list[Row]:
    """The rows of a page."""
    found = viewed.database.rows(
        f"SELECT shard, tie FROM crops WHERE {selection.where} ORDER BY {selection.order} "
        "LIMIT ? OFFSET ?",
        (*selection.values, PAGE, (selection.page - 1) * PAGE),
    )
    return viewed.database.whole(columns, found)


def outcomes_of(viewed: ViewedBuild) -> list[str]:
    """The outcomes that occur in the build, without the crops that some name."""
    found = [reason.outcome for step in viewed.funnel.steps for reason in step.lost]
    return ["kept", *sorted(set(found)), *(["undecided"] if viewed.funnel.undecided else [])]


def tile_of(viewed: ViewedBuild, row: Row, look: str = "crops", figure: str = "") -> GridTile:
    """A tile of a row with COLUMNS; figure: a column whose value is told first."""
    tile = GridTile(
        key=row["key"] or "",
        crop=row["crop"] or "",
        link=link_of(row),
        title="kept" if row["outcome"] == "kept" else kind(row["outcome"]),
        kept=row["outcome"] == "kept",
        digest=row["digest"] or "",
    )
    tile.marks = viewed.marks.of_crop.get(tile.crop, ()) if tile.crop else ()
    tile.picture, tile.empty = picture_of(viewed, row, look)
    if row["name"]:
        tile.lines.append(row["name"])
    shown = [figure] if figure else []
    shown += [name for name in ("decided", "similarity") if name != figure]
    values = [row[name] for name in shown if row.get(name) is not None]
    if values:
        tile.lines.append(" · ".join(f"{value:.3g}" for value in values[:2]))
    if not row["crop"] and row["url"]:
        tile.lines.append(row["url"])
    if not tile.kept and not row["crop"]:
        tile.lines.append(meaning(row["outcome"]))
    return tile


def link_of(row: Row) -> str:
    """The address of a row's image page; rows that were rejected have no key but a URL."""
    if row["key"]:
        return f"/image/{quote(row['key'], safe='')}" + (f"#{row['crop']}" if row["crop"] else "")
    return f"/image?{urlencode({'url': row['url'] or ''})}"


def picture_of(viewed: ViewedBuild, row: Row, look: str = "crops") -> tuple[str, str]:
    """The address of a row's picture, and "", or "" and why there is none."""
    if row["crop"] and row["tar"] and look != "photos":
        place, stage = (row["offset"], row["length"]), row["tar"]
    else:
        place, stage = (row["image_offset"], row["image_length"]), "download"
    if None in place or not row["shard"]:
        return "", "no image"
    if missing := viewed.has_images(stage, row["shard"]):
        return "", missing
    face = ""
    if look == "faces" and row["face_box"] and stage != "download":
        face = "&face=" + ",".join(f"{value:.1f}" for value in row["face_box"])
    return f"/picture/{stage}/{row['shard']}/{place[0]}/{place[1]}.jpg?side={SIDE}{face}", ""


def _with(selection: Selection, columns: str) -> str:
    """The columns, and the one that is sorted by."""
    sort = selection.given.get("sort", "").removeprefix("-")
    wanted = columns.split(", ")
    return columns if not sort or sort in wanted else f"{columns}, {sort}"
