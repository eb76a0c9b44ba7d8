"""Contact sheets: tiles of sample images, one sheet for each stage that makes pictures."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.detection.simcc import SOFTMAX
from pipelines.detection.upper_body import SEEN
from pipelines.engine.build_files import BuildFiles
from pipelines.inspection.report.choosing import kind, mixed, round_robin
from pipelines.inspection.report.drawing import (
    KEPT,
    REJECTED,
    Drawing,
    EmbeddedImages,
    around,
    decoded,
    seen_above,
)
from webbody.images import RGB
from webbody.json_text import parse_json
from webbody.plain_text import plain_text
from webbody.shards import read_members
from webbody.skeleton import COUNT, from_coco17

#: Longer side of the pictures in pixels: about twice their size on a page of usual width.
SIDE, SMALL = 340, 200


@dataclass
class Tile:
    """A captioned picture, or why there is none. `outcome` is set where the item was rejected."""

    title: str
    picture: str | None = None
    empty: str = ""
    outcome: str | None = None
    lines: list[str] = field(default_factory=list)


@dataclass
class Sheet:
    """A section of tiles; `gap` says why there are none, `shape` how tall they are."""

    id: str
    title: str
    lead: str
    shape: str
    gap: str | None = None
    legend: bool = False
    tiles: list[Tile] = field(default_factory=list)


def downloads(build: BuildFiles, count: int, embedded: EmbeddedImages) -> Sheet:
    """Photos as they came, and failures with their reason."""
    sheet = Sheet(
        "downloads",
        "Downloads",
        "Photos as the web served them, and in red frames what could not be fetched or used.",
        "photo",
        build.gap("download", images=False),
    )
    columns = ("key", "url", "outcome", "detail", "hash_match", "bytes", "width", "height",
               "format", "offset", "length")  # fmt: skip
    for row in mixed(rows_of_stage(build, "download", columns), count, "key"):
        url = plain_text(row["url"], 300)
        if row["outcome"]:
            lines = [plain_text(row["detail"] or "", 120), url]
            sheet.tiles.append(rejected_tile(row, "no image", lines=lines))
            continue
        changed = "" if row["hash_match"] in (None, True) else "not the bytes of the manifest"
        title = f"{row['width']} × {row['height']} {row['format']}, {_size(row['bytes'])}"
        tile = tile_of(title, lines=[changed, url])
        show(tile, embedded, build.image("download", row), _plainly)
        sheet.tiles.append(tile)
    return sheet


def persons(build: BuildFiles, count: int, embedded: EmbeddedImages) -> Sheet:
    """Photos with the boxes and COCO keypoints of everybody in them."""
    sheet = Sheet(
        "persons",
        "Persons",
        "Every person that the detector found, with box and COCO keypoints.",
        "photo",
        build.gap("persons", images=False) or build.gap("download"),
        legend=True,
    )
    if sheet.gap:
        return sheet
    columns = ("crop", "key", "index", "outcome", "detail", "box", "score", "keypoints")
    rows = rows_of_stage(build, "persons", columns)
    of_photo: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        of_photo[row["key"]].append(row)
    sources = located(build, "download", "key", {row["shard"] for row in rows})
    for row in mixed([row for row in rows if row["index"] <= 0], count, "key"):
        found = [] if row["outcome"] else of_photo[row["key"]]
        if found:
            scores = " · ".join(f"{person['score']:.2f}" for person in found)
            title = "1 person" if len(found) == 1 else f"{len(found)} persons"
            tile = tile_of(title, lines=[f"score {scores}"])
        else:
            tile = rejected_tile(row)
        photo = build.image("download", sources.get(row["key"], {}))
        show(tile, embedded, photo, partial(with_persons, found))
        sheet.tiles.append(tile)
    return sheet


def faces(build: BuildFiles, count: int, embedded: EmbeddedImages) -> Sheet:
    """Crops around the face with its box and landmarks; rejected ones with the reason."""
    sheet = Sheet(
        "faces",
        "Faces",
        "The face in each person crop with its five landmarks: it tells who somebody is, so "
        "doubtful ones are dropped.",
        "square",
        build.gap("faces", images=False) or build.gap("persons"),
    )
    if sheet.gap:
        return sheet
    columns = ("crop", "key", "outcome", "detail", "box", "landmarks", "score", "norm")
    rows = rows_of_stage(build, "faces", columns)
    crops = located(build, "persons", "crop", {row["shard"] for row in rows})
    for row in mixed(rows, count, "crop"):
        score = "" if row["score"] is None else f"score {row['score']:.3f}"
        norm = "" if row["norm"] is None else f"norm {row['norm']:.1f}"
        tile = rejected_tile(row, lines=[score]) if row["outcome"] else tile_of(score, lines=[norm])
        crop = build.image("persons", crops.get(row["crop"], {}))
        show(tile, embedded, crop, partial(with_face, row))
        sheet.tiles.append(tile)
    return sheet


def keypoints(build: BuildFiles, count: int, embedded: EmbeddedImages) -> Sheet:
    """Kept crops with the 19 points."""
    sheet = Sheet(
        "keypoints",
        "Keypoints",
        "Crops that are kept, with the 19 keypoints of the final skeleton; points that cannot be "
        "seen are absent.",
        "tall",
        build.gap("keypoints", images=False) or build.gap("persons"),
        legend=True,
    )
    if sheet.gap:
        return sheet
    for shard in build.shards("keypoints", 1):
        table = build.table("keypoints", shard, ["crop"])
        if table is not None and SOFTMAX in (table.schema.metadata or {}):
            sheet.lead += (
                f" Confidences: {plain_text(table.schema.metadata[SOFTMAX].decode(), 160)}."
            )
    rows = rows_of_stage(build, "keypoints", ("crop", "key", "person", "outcome", "keypoints"))
    crops = located(build, "persons", "crop", {row["shard"] for row in rows})
    for row in mixed(rows, count, "crop"):
        points = np.reshape(row["keypoints"] or np.zeros((COUNT, 3)), (COUNT, 3))
        lines = [_seen(points)]
        named = f"person {row['person']}"
        tile = rejected_tile(row, lines=lines) if row["outcome"] else tile_of(named, lines=lines)
        crop = build.image("persons", crops.get(row["crop"], {}))
        show(tile, embedded, crop, partial(with_points, points))
        sheet.tiles.append(tile)
    return sheet


def samples(build: BuildFiles, count: int, embedded: EmbeddedImages) -> Sheet:
    """Packed samples, read back from the shards as a trainer would."""
    sheet = Sheet(
        "samples",
        "Final samples",
        "What a trainer reads from the shards: the crop on a white square, its keypoints, and the "
        "number of the person.",
        "square",
        build.gap("pack"),
        legend=True,
    )
    if sheet.gap:
        return sheet
    # The shards are shuffled, so that the first samples of each are as good as any.
    shards = build.shards("pack", count)
    each = -(-count // len(shards))
    found = [sample for shard in shards for sample in first_samples(build, shard, each)]
    for jpeg, about in round_robin(found, count, lambda s: s[1]["split"], lambda s: s[1]["key"]):
        points = np.reshape(about["keypoints"], (COUNT, 3))
        tile = tile_of(f"person {about['person']}", lines=[f"{about['split']} · {_seen(points)}"])
        show(tile, embedded, jpeg, partial(with_points, points))
        sheet.tiles.append(tile)
    return sheet


def tile_of(title: str, lines: Iterable[str]) -> Tile:
    return Tile(title, lines=[line for line in lines if line])


def rejected_tile(row: dict[str, Any], empty: str = "", lines: Iterable[str] = ()) -> Tile:
    """A tile for a row with an outcome: that is its title."""
    detail = plain_text(row.get("detail") or "", 120)
    lines = list(lines) or [detail]
    return Tile(kind(row["outcome"]), None, empty, row["outcome"], [line for line in lines if line])


def show(
    tile: Tile, embedded: EmbeddedImages, data: bytes | None, draw: Callable[[RGB], Drawing]
) -> None:
    """Put the drawing of an image into the tile, or say why there is none."""
    rgb = decoded(data)
    if rgb is None:
        tile.empty = "no image" if data is None else "cannot be read"
        return
    tile.picture = embedded.add(draw(rgb))
    tile.empty = "left out, the page is full"


def _plainly(rgb: RGB) -> Drawing:
    return Drawing(rgb, SIDE)


def with_points(points: NDArray[np.floating], rgb: RGB, side: int = SIDE) -> Drawing:
    """A crop or sample with its 19 points."""
    return Drawing(rgb, side).skeleton(points)


def with_persons(found: list[dict[str, Any]], rgb: RGB, side: int = SIDE) -> Drawing:
    """A photo with the boxes and points of everybody who was found in it."""
    drawing = Drawing(rgb, side)
    for person in reversed(found):  # the largest on top
        points = np.reshape(np.array(person["keypoints"], np.float32), (17, 3))
        drawing.box(person["box"], KEPT).skeleton(from_coco17(seen_above(points, SEEN)))
    return drawing


def with_face(row: dict[str, Any], rgb: RGB) -> Drawing:
    """The surroundings of the face, or the whole crop where none was found."""
    if not row["box"]:
        return Drawing(rgb, SMALL)
    drawing = Drawing(rgb, SMALL, around(row["box"], 0.45))
    drawing.box(row["box"], REJECTED if row["outcome"] else KEPT)
    return drawing.dots(row["landmarks"] or [])


def _seen(points: NDArray[np.floating]) -> str:
    return f"{int((points[:, 2] > 0).sum())} of {COUNT} points"


def first_samples(
    build: BuildFiles, shard: str, count: int
) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """The first samples of a packed shard: image and description."""
    if build.tar("pack", shard) is None:
        return
    parts: dict[str, dict[str, bytes]] = defaultdict(dict)
    with build.folder.open(f"pack/{shard}.tar") as file:
        for name, data in read_members(file):
            key, _, ending = name.partition(".")
            parts[key][ending] = data
            if {"jpg", "json"} <= parts[key].keys():
                yield parts[key]["jpg"], parse_json(parts.pop(key)["json"])
                count -= 1
                if not count:
                    return


def rows_of_stage(build: BuildFiles, stage: str, columns: Iterable[str]) -> list[dict[str, Any]]:
    """The rows of a stage in some shards."""
    columns = tuple(columns)
    return [row for shard in build.shards(stage) for row in build.rows(stage, shard, columns)]


def located(
    build: BuildFiles, stage: str, key: str, shards: Iterable[str]
) -> dict[str, dict[str, Any]]:
    """Where the images of a stage lie in the tars of these shards, by key or crop."""
    columns = (key, "offset", "length")
    return {row[key]: row for shard in sorted(shards) for row in build.rows(stage, shard, columns)}


def _size(count: int) -> str:
    return f"{count / 1000:,.0f}\N{NO-BREAK SPACE}kB"
