"""The photo, enlarged, and what is drawn on it: boxes, grids, the skeleton."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from model.visualization.colours import INK, PAPER, SIDES, Colour, line_colour
from webbody.skeleton import EDGES

RGB = NDArray[np.uint8]
WHOLE = (0.0, 0.0, 1.0, 1.0)
#: Slanted lines and dots are drawn this many times larger, then reduced: pillow draws them jagged.
_FINER = 3
#: Pixels below which a box shares its lines.
_SMALL_BOX = 16


def enlarged(image: RGB, side: int, box: Sequence[float] = WHOLE) -> Image.Image:
    """A part of the image as a square of `side` pixels: what the model makes of a region."""
    height, width = image.shape[:2]
    left, top, right, bottom = box
    part = (left * width, top * height, right * width, bottom * height)
    return Image.fromarray(np.ascontiguousarray(image)).resize(
        (side, side), Image.Resampling.BICUBIC, part
    )


def grey(picture: Image.Image, light: float = 0.35) -> Image.Image:
    """The picture without colour, and lightened by a share, so that colours on it stand out."""
    without = picture.convert("L").convert("RGB")
    return Image.blend(without, Image.new("RGB", without.size, PAPER), light)


def outline(
    picture: Image.Image, boxes: NDArray[np.floating], colour: Colour, width: int = 1
) -> None:
    """Draws boxes (N, 4), given as fractions, with lines of `width` pixels inside of them.

    Small boxes share a line with their neighbours: two would hide what is in them.
    """
    draw = ImageDraw.Draw(picture)
    size = np.array(picture.size * 2)
    for left, top, right, bottom in np.rint(np.reshape(boxes, (-1, 4)) * size).astype(int).tolist():
        inside = 0 if right - left < _SMALL_BOX else 1
        draw.rectangle((left, top, right - inside, bottom - inside), outline=colour, width=width)


def grid(picture: Image.Image, side: int, colour: Colour) -> None:
    """Draws the lines of a grid of side x side cells."""
    ticks = np.arange(side) / side
    left, top = np.meshgrid(ticks, ticks)
    cells = np.stack([left, top, left + 1 / side, top + 1 / side], -1)
    outline(picture, cells.reshape(-1, 4), colour)


def skeleton(picture: Image.Image, keypoints: NDArray[np.floating]) -> Image.Image:
    """The picture with the visible ones of the keypoints (19, 3) and the lines between them."""
    seen = keypoints[:, 2] > 0
    places = keypoints[:, :2] * np.array(picture.size) * _FINER
    layer, draw = _finer_layer(picture)
    thin = max(2, picture.width // 160) * _FINER
    lines = [(a, b) for a, b in EDGES if seen[a] and seen[b]]
    for width, dark in ((thin + 2 * _FINER, True), (thin, False)):
        for a, b in lines:
            ends = [tuple(places[a]), tuple(places[b])]
            draw.line(ends, INK if dark else line_colour(a, b), width)
    for slot in np.flatnonzero(seen):
        _dot(draw, places[slot], thin * 1.1, SIDES[slot])
    return _with_layer(picture, layer)


def dots(
    picture: Image.Image, points: NDArray[np.floating], colours: NDArray[np.uint8], radius: float
) -> Image.Image:
    """The picture with a dot of `radius` pixels, in its colour, at every point (N, 2)."""
    layer, draw = _finer_layer(picture)
    places = points * np.array(picture.size) * _FINER
    for place, (red, green, blue) in zip(places, colours.tolist(), strict=True):
        _dot(draw, place, radius * _FINER, (red, green, blue))
    return _with_layer(picture, layer)


def _finer_layer(picture: Image.Image) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    size = (picture.width * _FINER, picture.height * _FINER)
    layer = Image.new("RGBA", size, (*INK, 0))
    return layer, ImageDraw.Draw(layer)


def _with_layer(picture: Image.Image, layer: Image.Image) -> Image.Image:
    return Image.alpha_composite(picture.convert("RGBA"), layer.reduce(_FINER)).convert("RGB")


def _dot(
    draw: ImageDraw.ImageDraw, place: NDArray[np.floating], radius: float, colour: Colour
) -> None:
    x, y = place
    for size, paint in ((radius + 1.5 * _FINER, INK), (radius, colour)):
        draw.ellipse((x - size, y - size, x + size, y + size), fill=paint)
