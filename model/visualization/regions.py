"""Retina Patch, as in the paper's Figs. 3 and 4: regions, their grids, and the patches of both."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from model.visualization.canvas import GAP, below, beside, blank, legend, page, panel, text
from model.visualization.colours import LEFT, RIGHT, Colour, region_colour
from model.visualization.patches import Patches, paint
from model.visualization.photo import RGB, enlarged, grid, outline, skeleton

_SMALL, _LARGE = 456, 772
ABSENT = "not in this image"
_NAMES = ("Whole image", "Upper torso", "Face")


def region_names(count: int) -> tuple[str, ...]:
    """Names of the whole image and of the regions after it."""
    return (*_NAMES[:count], *(f"Region {region}" for region in range(len(_NAMES), count)))


def regions_picture(image: RGB, keypoints: NDArray[np.floating], patches: Patches) -> Image.Image:
    """Where the regions lie, the patches each of them offers, and which are kept.

    Below, the kept patches over the image, each in the colour of its region, beside the grid of a
    plain ViT, whose patches are all of one size.
    """
    names = region_names(len(patches.boxes_R4))
    top = [_keypoints_panel(image, keypoints, patches)]
    top += [_region_panel(image, patches, region, name) for region, name in enumerate(names)]
    bottom = [
        _retina_panel(image, patches),
        _plain_panel(image, patches),
        _side_notes(patches),
    ]
    missing = [name.lower() for r, name in enumerate(names) if not patches.has(r)]
    return page("Retina Patch", _note(keypoints, missing), below([beside(top), beside(bottom)]))


def patch_overlay(image: RGB, patches: Patches, side: int, fill: float = 0.0) -> Image.Image:
    """The image with the kept patches outlined in their regions' colours.

    Those of regions after the whole image are tinted by `fill` too.
    """
    picture = enlarged(image, side)
    ids_N = patches.ids_N
    tints = np.array(picture)
    region_N, rectangles_N4 = patches.region(ids_N), patches.rectangles(ids_N)
    for region in range(1, len(patches.boxes_R4)):
        mine = rectangles_N4[region_N == region]
        paint(tints, mine, np.full((len(mine), 3), region_colour(region), np.uint8))
    picture = Image.blend(picture, Image.fromarray(tints), fill)
    for region in range(len(patches.boxes_R4)):
        outline(picture, rectangles_N4[region_N == region], region_colour(region))
    return picture


def _note(keypoints: NDArray[np.floating], missing: Sequence[str]) -> str:
    seen = int((keypoints[:, 2] > 0).sum())
    if not seen:
        return "No keypoints were found: the whole image is the only region."
    without = f" The image has no region for: {', '.join(missing)}." if missing else ""
    return (
        "Every region has the same number of patches; where a later region lies, the earlier ones "
        f"give theirs up, so that the image is covered once. {seen} of 19 keypoints are visible."
        f"{without}"
    )


def _keypoints_panel(image: RGB, keypoints: NDArray[np.floating], patches: Patches) -> Image.Image:
    picture = skeleton(enlarged(image, _SMALL), keypoints)
    for region in range(1, len(patches.boxes_R4)):
        if patches.has(region):
            outline(picture, patches.boxes_R4[region], region_colour(region), 4)
    return panel(picture, "Keypoints and regions")


def _region_panel(image: RGB, patches: Patches, region: int, name: str) -> Image.Image:
    colour, cells = region_colour(region), patches.side**2
    if not patches.has(region):
        return panel(blank(_SMALL, ABSENT), f"{name}: 0 of {cells}", colour=colour)
    picture = enlarged(image, _SMALL, tuple(patches.boxes_R4[region].tolist()))
    alone = Patches(np.array([(0, 0, 1, 1)], np.float32), np.ones(cells, bool), patches.side)
    given_up = np.flatnonzero(~patches.kept_T.reshape(-1, cells)[region])
    pixels = np.array(picture)
    light = (pixels * 0.25 + 255 * 0.75).astype(np.uint8)
    veil = np.zeros_like(pixels)
    paint(veil, alone.rectangles(given_up), np.full((len(given_up), 3), 255, np.uint8))
    picture = Image.fromarray(np.where(veil > 0, light, pixels))
    grid(picture, patches.side, colour)
    return panel(picture, f"{name}: {patches.counts_R[region]} of {cells}", colour=colour)


def _retina_panel(image: RGB, patches: Patches) -> Image.Image:
    picture = patch_overlay(image, patches, _LARGE, fill=0.2)
    count, last = int(patches.kept_T.sum()), _finest(patches)
    note = f"Tokens in the {_noun(patches, last)}: {patches.counts_R[last]}" if last else ""
    return panel(picture, f"Retina Patch: {count} tokens", note)


def _plain_panel(image: RGB, patches: Patches) -> Image.Image:
    picture = enlarged(image, _LARGE)
    side, last = patches.side, _finest(patches)
    grid(picture, side, region_colour(0))
    note = ""
    if last:
        left, top, right, bottom = patches.boxes_R4[last]
        centres = (np.arange(side) + 0.5) / side
        columns = ((centres >= left) & (centres < right)).sum()
        rows = ((centres >= top) & (centres < bottom)).sum()
        note = f"Tokens in the {_noun(patches, last)}: {rows * columns}"
    return panel(picture, f"Plain ViT grid: {side**2} tokens", note)


def _finest(patches: Patches) -> int:
    """The last region that the image has."""
    return max(region for region in range(len(patches.boxes_R4)) if patches.has(region))


def _noun(patches: Patches, region: int) -> str:
    return region_names(len(patches.boxes_R4))[region].lower()


def _side_notes(patches: Patches) -> Image.Image:
    names = region_names(len(patches.boxes_R4))
    tokens: list[tuple[Colour, str]] = [
        (region_colour(region), f"{name}: {count}")
        for region, (name, count) in enumerate(zip(names, patches.counts_R.tolist(), strict=True))
    ]
    sides = [(LEFT, "subject's left"), (RIGHT, "subject's right")]
    notes = [text("Tokens of each region"), legend(tokens), text("Skeleton"), legend(sides)]
    faded = text("Faded patches lie in a later region, which has them in finer grain.", width=300)
    return below([Image.new("RGB", (1, GAP), "white"), *notes, faded], gap=14)
