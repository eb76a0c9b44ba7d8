"""Pictures of an image's page: what the stages found, drawn as in the report."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from pipelines.detection.embedding import align, alignments
from pipelines.inspection.report.drawing import KEPT, REJECTED, Drawing, around
from pipelines.inspection.report.sheets import with_persons, with_points
from pipelines.viewer.index.database import Row
from pipelines.viewer.index.viewed import ViewedBuild
from pipelines.viewer.pictures.details import FoundInImage, found_in
from pipelines.viewer.pictures.thumbnails import Pictures, Place
from webbody.images import RGB
from webbody.skeleton import COUNT

KINDS = ("photo", "crop", "points", "face", "aligned")
_LARGE, _MIDDLE, _FACE = 960, 480, 240


def drawn(
    viewed: ViewedBuild, pictures: Pictures, kind: str, shard: str, key: str, item: str
) -> bytes | None:
    """A JPEG of one of KINDS of an image (`key`) or its crop (`item`); None: not there."""
    if shard not in viewed.build.planned or kind not in KINDS:
        return None
    rows = viewed.database.rows(
        'SELECT crop, tar, "offset", length, image_offset, image_length FROM crops '
        "WHERE shard = ? AND key = ? AND (crop = ? OR ?)",
        (shard, key, item, kind == "photo"),
    )
    if not rows:
        return None
    place, draw = _plan(kind, rows[0], shard, found_in(viewed, shard, key))
    if place is None or draw is None:
        return None
    return pictures.drawn(viewed, place, draw)


def _plan(
    kind: str, row: Row, shard: str, found: FoundInImage
) -> tuple[Place | None, Callable[[RGB], RGB] | None]:
    """Where the pixels are, and what is drawn on them."""
    if kind == "photo":
        if row["image_offset"] is None:
            return None, None
        place = Place("download", shard, row["image_offset"], row["image_length"])
        return place, lambda rgb: with_persons(found.persons, rgb, _LARGE).pixels
    if row["offset"] is None:
        return None, None
    place = Place(row["tar"], shard, row["offset"], row["length"])
    face, points = found.faces.get(row["crop"]), found.points.get(row["crop"])
    if kind == "crop":
        return place, lambda rgb: Drawing(rgb, _MIDDLE).pixels
    if kind == "points":
        return place, partial(_pointed, points) if points else None
    if face is None:
        return place, None
    if kind == "face":
        return place, partial(_faced, face)
    return place, partial(_aligned, face) if face["landmarks"] else None


def _pointed(points: list[float], rgb: RGB) -> RGB:
    return with_points(np.reshape(points, (COUNT, 3)), rgb, _MIDDLE).pixels


def _faced(face: dict[str, Any], rgb: RGB) -> RGB:
    drawing = Drawing(rgb, _FACE, around(face["box"], 0.45))
    drawing.box(face["box"], REJECTED if face["outcome"] else KEPT)
    return drawing.dots(face["landmarks"] or []).pixels


def _aligned(face: dict[str, Any], rgb: RGB) -> RGB:
    landmarks = np.reshape(np.array(face["landmarks"], np.float32), (1, 5, 2))
    return align(rgb, alignments(landmarks)[0])
