"""Small pictures for a page: cut, scaled, drawn on, and inlined as JPEG."""

import base64
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from model.visualization.colours import MIDDLE, Colour
from model.visualization.photo import dots, outline, skeleton
from webbody.images import RGB, ImageError, decode, encode_jpeg
from webbody.skeleton import COUNT

KEPT, REJECTED = (34, 197, 94), (239, 68, 68)
_QUALITY = 80
#: Larger images are not decoded for a thumbnail.
_MOST_PIXELS = 100_000_000
#: Times its size that a drawing's points may lie beyond it: a wrong box must not cost memory.
_FAR = 100


class Drawing:
    """A region of an image scaled to fit a square of `side` pixels.

    Everything drawn is given in pixels of the whole image. `region` is xyxy and may reach beyond
    the image, whose border is then continued.
    """

    def __init__(self, rgb: RGB, side: int, region: Sequence[float] | None = None) -> None:
        height, width = rgb.shape[:2]
        left, top, right, bottom = region or (0, 0, width, height)
        # Not farther beyond the image than it is large: a border without end fills the memory.
        left, right = max(left, -width), min(right, 2 * width)
        top, bottom = max(top, -height), min(bottom, 2 * height)
        x1, y1 = int(np.floor(left)), int(np.floor(top))
        x2, y2 = max(x1 + 1, int(np.ceil(right))), max(y1 + 1, int(np.ceil(bottom)))
        columns = np.arange(x1, x2).clip(0, width - 1)
        rows = np.arange(y1, y2).clip(0, height - 1)
        cut = rgb[rows[:, None], columns] if region else rgb
        self.scale = side / max(x2 - x1, y2 - y1)
        if not region:
            self.scale = min(1.0, self.scale)  # a small photo is not blown up
        size = max(1, round((x2 - x1) * self.scale)), max(1, round((y2 - y1) * self.scale))
        shrinks = self.scale < 1
        self.pixels: RGB = np.ascontiguousarray(
            cv2.resize(cut, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC),
            dtype=np.uint8,
        )
        self._origin = np.array([x1, y1], np.float64)

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])

    def box(self, xyxy: Sequence[float], colour: Colour) -> "Drawing":
        """A rectangle."""
        picture = Image.fromarray(self.pixels)
        corners = np.sort(self._fractions(np.reshape(xyxy, (2, 2))), 0)
        outline(picture, corners.reshape(1, 4), colour, 2)
        return self._with(picture)

    def dots(self, points: ArrayLike, colour: Colour = MIDDLE, radius: float = 1.7) -> "Drawing":
        """Points (N, 2)."""
        places = self._fractions(np.reshape(points, (-1, 2)))
        if not len(places):
            return self
        colours = np.tile(np.array(colour, np.uint8), (len(places), 1))
        return self._with(dots(Image.fromarray(self.pixels), places, colours, radius))

    def skeleton(self, points: ArrayLike) -> "Drawing":
        """The 19 points (19, 3) and the lines between them; absent ones (visibility 0) are not."""
        points = np.reshape(np.asarray(points, np.float64), (COUNT, 3))
        marks = np.concatenate([self._fractions(points[:, :2]), points[:, 2:]], 1)
        return self._with(skeleton(Image.fromarray(self.pixels), marks))

    def _fractions(self, points: ArrayLike) -> NDArray[np.float64]:
        """Points (N, 2) of the whole image as fractions of the drawing, none of them far away."""
        places = (np.asarray(points, np.float64) - self._origin) * self.scale
        fractions = np.nan_to_num(places / [self.width, self.height])
        return fractions.clip(-_FAR, _FAR)

    def _with(self, picture: Image.Image) -> "Drawing":
        self.pixels = np.asarray(picture)
        return self


def data_uri(drawing: Drawing) -> str:
    """The drawing as a JPEG in a data URI."""
    jpeg = encode_jpeg(drawing.pixels, _QUALITY, "4:2:0")
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"


class EmbeddedImages:
    """Encodes drawings as data URIs up to a limit of characters."""

    def __init__(self, limit: int = 1_050_000) -> None:
        self._left = limit

    def add(self, drawing: Drawing) -> str | None:
        """The drawing as a data URI, or None beyond the limit."""
        uri = data_uri(drawing)
        if len(uri) > self._left:
            return None
        self._left -= len(uri)
        return uri


def decoded(data: bytes | None) -> RGB | None:
    """The decoded image, or None if it is missing or unreadable."""
    if data is None:
        return None
    try:
        return decode(data, _MOST_PIXELS)
    except ImageError:
        return None


def around(box: Sequence[float], margin: float) -> tuple[float, float, float, float]:
    """A square around a box (xyxy) with a margin at each side, as a share of its longer side."""
    x1, y1, x2, y2 = box
    half = max(x2 - x1, y2 - y1, 1) * (0.5 + margin)
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    return x - half, y - half, x + half, y + half


def seen_above(points: NDArray[np.float32], least: float) -> NDArray[np.float32]:
    """Points (..., 3) with those whose score is below `least` made absent."""
    out = points.copy()
    out[out[..., 2] < least] = 0
    return out
