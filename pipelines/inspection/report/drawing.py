"""Small pictures for a page: cut, scaled, drawn on, and inlined as JPEG."""

import base64
from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from model.visualization.colours import MIDDLE, SIDES, Colour, line_colour
from webbody.images import RGB, ImageError, decode, encode_jpeg
from webbody.skeleton import COUNT, EDGES

KEPT, REJECTED = (34, 197, 94), (239, 68, 68)
_INK = (15, 18, 24)
_QUALITY = 80
#: Larger images are not decoded for a thumbnail.
_MOST_PIXELS = 100_000_000
#: Sub-pixel positions for OpenCV: coordinates carry this many fractional bits.
_BITS = 4


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
        (x1, y1), (x2, y2) = np.reshape(xyxy, (2, 2))
        corners = [(x1, y1), (x2, y1), (x2, y2), (x1, y2), (x1, y1)]
        for a, b in pairwise(corners):
            self._line(a, b, colour, 2)
        return self

    def dots(self, points: ArrayLike, colour: Colour = MIDDLE, radius: float = 1.7) -> "Drawing":
        """Points (N, 2)."""
        for point in np.reshape(points, (-1, 2)):
            self._dot(point, colour, radius)
        return self

    def skeleton(self, points: ArrayLike) -> "Drawing":
        """The 19 points (19, 3) and the lines between them; absent ones (visibility 0) are not."""
        points = np.reshape(np.asarray(points, np.float64), (COUNT, 3))
        seen = points[:, 2] > 0
        lines = [(a, b) for a, b in EDGES if seen[a] and seen[b]]
        for width, ink in ((4, True), (2, False)):
            for a, b in lines:
                colour = _INK if ink else line_colour(a, b)
                self._line(points[a, :2], points[b, :2], colour, width)
        for slot in np.flatnonzero(seen):
            self._dot(points[slot, :2], SIDES[slot], 2.6)
        return self

    def _place(self, point: ArrayLike) -> tuple[int, int]:
        # Pixel centres lie at halves in the image and in the thumbnail, at integers for OpenCV.
        place = (np.asarray(point, np.float64) - self._origin) * self.scale - 0.5
        x, y = np.nan_to_num(place * (1 << _BITS)).clip(-(1 << 20), 1 << 20).round().astype(int)
        return int(x), int(y)

    def _line(self, a: ArrayLike, b: ArrayLike, colour: Colour, width: int) -> None:
        cv2.line(self.pixels, self._place(a), self._place(b), colour, width, cv2.LINE_AA, _BITS)

    def _dot(self, point: ArrayLike, colour: Colour, radius: float) -> None:
        for size, paint in ((radius + 1, _INK), (radius, colour)):
            around = round(size * (1 << _BITS))
            cv2.circle(self.pixels, self._place(point), around, paint, -1, cv2.LINE_AA, _BITS)


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
