"""The page of an image: the photo, its crops, faces and samples, and its whole story."""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from pipelines.inspection.explain import Story, story_of_row
from pipelines.viewer.index.database import Row
from pipelines.viewer.index.selection import figures
from pipelines.viewer.index.shard_rows import flag_columns
from pipelines.viewer.index.viewed import NotInBuild, ViewedBuild
from pipelines.viewer.pages.grid import COLUMNS, GridTile, tile_of
from pipelines.viewer.pictures.details import found_in, packed_place

#: Longer side of the pictures of this page in pixels.
SIDE = 640
_MOST_ROWS = 200


@dataclass
class CropView:
    """A crop with addresses of its pictures and its figures; `pictures` are (title, address)."""

    tile: GridTile
    row: Row
    pictures: list[tuple[str, str]] = field(default_factory=list)
    figures: list[tuple[str, Any]] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)


def image_page(viewed: ViewedBuild, key: str = "", url: str = "") -> dict[str, Any]:
    """What the template `image` shows of a row's key, or of all rows of a URL.

    Raises NotInBuild where the build has no such row.
    """
    known = figures(viewed.database.columns)
    flags = flag_columns(viewed.database.columns)
    wanted = ", ".join(name for name in {**known, **dict.fromkeys(flags)} if name not in COLUMNS)
    condition = "key = ?" if key else "url = ?"
    found = viewed.database.rows(
        f"SELECT shard, tie FROM crops WHERE {condition} ORDER BY shard, place LIMIT {_MOST_ROWS}",
        (key or url,),
    )
    rows = viewed.database.whole(f"{COLUMNS}, detail, {wanted}", found)
    if not rows:
        raise NotInBuild(
            f"{(key or url)[:200]}: there is no such image in this build; it may have been taken "
            "down, or planned anew."
        )
    first = rows[0]
    photo = None
    if first["key"] and first["image_offset"] is not None:
        missing = viewed.has_images("download", first["shard"])
        photo = (_drawn("photo", first), missing)
    return {
        "row": first,
        "photo": photo,
        "crops": [_crop(viewed, row, known) for row in rows if row["crop"]],
        "stories": stories(viewed, rows),
    }


def stories(viewed: ViewedBuild, rows: list[Row]) -> list[Story]:
    """The whole story of each row, as `webbody explain` tells it."""
    records = viewed.build.records
    found = []
    for shard, key in dict.fromkeys((row["shard"], row["key"]) for row in rows):
        if not key:
            continue
        story = story_of_row(records, shard, key)
        found += [] if story is None else [story]
    return found


def _crop(viewed: ViewedBuild, row: Row, known: dict[str, str]) -> CropView:
    found = found_in(viewed, row["shard"], row["key"])
    crop = row["crop"]
    view = CropView(tile_of(viewed, row), row)
    if not viewed.has_images(row["tar"], row["shard"]) and row["offset"] is not None:
        view.pictures.append(("the crop", _drawn("crop", row)))
        if crop in found.points:
            view.pictures.append(("its 19 keypoints", _drawn("points", row)))
        if crop in found.faces:
            view.pictures.append(("the face and its landmarks", _drawn("face", row)))
            if found.faces[crop]["landmarks"]:
                view.pictures.append(("the aligned face", _drawn("aligned", row)))
    packed = packed_place(viewed, row["sample"]) if row["sample"] and view.tile.kept else None
    if packed is not None:
        where = f"{packed.pack}/{packed.offset}/{packed.length}"
        view.pictures.append(("the final sample", f"/picture/pack/{where}.jpg?side=384"))
    view.figures = [
        (title, row[name]) for name, title in known.items() if row.get(name) is not None
    ]
    view.flags = [
        name.removeprefix("flag_").replace("_", " ")
        for name in row
        if row[name] is True and name.startswith("flag_")
    ]
    return view


def _drawn(what: str, row: Row) -> str:
    item = quote(row["crop"] if what != "photo" else row["key"], safe="")
    return f"/drawn/{what}/{row['shard']}/{quote(row['key'], safe='')}/{item}.jpg"
