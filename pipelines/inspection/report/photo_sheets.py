"""Contact sheets of a build of whole photos: what the quality stage says, and what is packed."""

from functools import partial
from typing import Any

from pipelines.engine.build_files import BuildFiles
from pipelines.inspection.report.choosing import mixed, round_robin
from pipelines.inspection.report.drawing import KEPT, Drawing, EmbeddedImages
from pipelines.inspection.report.sheets import (
    SIDE,
    Sheet,
    first_samples,
    located,
    rejected_tile,
    rows_of_stage,
    show,
    tile_of,
)
from webbody.images import RGB

_FIGURES = ("score", "side", "text", "texture")


def quality(build: BuildFiles, count: int, embedded: EmbeddedImages) -> Sheet:
    """Photos of persons with their figures; rejected ones with the reason."""
    sheet = Sheet(
        "quality",
        "Quality",
        "Photos with the figures that decide: the detector's best score, the longer side of the "
        "largest certain person in pixels, the share that text covers, and that of fine texture.",
        "photo",
        build.gap("quality", images=False) or build.gap("download"),
    )
    if sheet.gap:
        return sheet
    rows = rows_of_stage(build, "quality", ("key", "outcome", "detail", *_FIGURES))
    photos = located(build, "download", "key", {row["shard"] for row in rows})
    for row in mixed(rows, count, "key"):
        told = [f"{name} {row[name]:.3g}" for name in _FIGURES if row[name] is not None]
        first, rest = told[0], [" · ".join(told[1:])]
        tile = rejected_tile(row, lines=told) if row["outcome"] else tile_of(first, lines=rest)
        show(tile, embedded, build.image("download", photos.get(row["key"], {})), _plainly)
        sheet.tiles.append(tile)
    return sheet


def photos(build: BuildFiles, count: int, embedded: EmbeddedImages) -> Sheet:
    """Packed photos, read back from the shards, with their boxes."""
    sheet = Sheet(
        "samples",
        "Final samples",
        "What a trainer reads from the shards: the whole photo in its final size, and everybody's "
        "box.",
        "square",
        build.gap("pack"),
    )
    if sheet.gap:
        return sheet
    # The shards are shuffled, so that the first samples of each are as good as any.
    shards = build.shards("pack", count)
    each = -(-count // len(shards))
    found = [sample for shard in shards for sample in first_samples(build, shard, each)]
    chosen = round_robin(found, count, lambda s: len(s[1]["boxes"]), lambda s: s[1]["key"])
    for jpeg, about in chosen:
        persons = len(about["boxes"])
        tile = tile_of(f"{persons} person{'s' * (persons > 1)}", lines=[_scores(about)])
        show(tile, embedded, jpeg, partial(_with_boxes, about["boxes"]))
        sheet.tiles.append(tile)
    return sheet


def _scores(about: dict[str, Any]) -> str:
    return "score " + " · ".join(f"{score:.2f}" for score in about["scores"])


def _plainly(rgb: RGB) -> Drawing:
    return Drawing(rgb, SIDE)


def _with_boxes(boxes: list[list[float]], rgb: RGB) -> Drawing:
    drawing = Drawing(rgb, SIDE)
    for box in reversed(boxes):  # the largest on top
        drawing.box(box, KEPT)
    return drawing
