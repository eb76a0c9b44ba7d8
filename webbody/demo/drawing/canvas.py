"""A picture under construction: pixels, and what each shows: part of which figure, what surface."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

import cv2
import numpy as np

_SHIFT = 4  # polygons are drawn with 1/16 px precision
_FAR = 6000.0  # keeps fixed-point coordinates of shapes far outside the image small


class BodyPart(IntEnum):
    """Body parts told apart in the label map, so that a figure can also hide parts of itself."""

    FACE = 1
    HAIR = 2
    NECK = 3
    TORSO = 4
    LEFT_ARM = 5
    RIGHT_ARM = 6
    LEFT_LEG = 7
    RIGHT_LEG = 8
    SKIRT = 9
    LEFT_EAR = 10
    RIGHT_EAR = 11


PARTS_PER_FIGURE = 16


class Surface(IntEnum):
    """What a pixel of a figure shows: skin of which part, or what covers it."""

    FACE_NECK = 1
    HAIR = 2
    APPAREL = 3
    UPPER_CLOTHING = 4
    LOWER_CLOTHING = 5
    TORSO = 6
    LEFT_UPPER_ARM = 7
    RIGHT_UPPER_ARM = 8
    LEFT_LOWER_ARM = 9
    RIGHT_LOWER_ARM = 10
    LEFT_HAND = 11
    RIGHT_HAND = 12
    LEFT_LOWER_LEG = 13
    RIGHT_LOWER_LEG = 14
    LEFT_SHOE = 15
    RIGHT_SHOE = 16
    UPPER_LIP = 17
    LOWER_LIP = 18
    UPPER_TEETH = 19


#: Of parts that show one surface, where nothing else is said. Limbs say it with each bar.
_SURFACES = {
    BodyPart.FACE: Surface.FACE_NECK,
    BodyPart.LEFT_EAR: Surface.FACE_NECK,
    BodyPart.RIGHT_EAR: Surface.FACE_NECK,
    BodyPart.NECK: Surface.FACE_NECK,
    BodyPart.HAIR: Surface.HAIR,
    BodyPart.TORSO: Surface.UPPER_CLOTHING,
    BodyPart.SKIRT: Surface.LOWER_CLOTHING,
}


def mix(
    first: Sequence[float] | np.ndarray, second: Sequence[float] | np.ndarray, share: float
) -> np.ndarray:
    """Colour between `first` (share 0) and `second` (share 1)."""
    return np.asarray(first, float) * (1 - share) + np.asarray(second, float) * share


def shade(colour: Sequence[float] | np.ndarray, factor: float) -> np.ndarray:
    """Colour made darker (factor < 1) or lighter (> 1)."""
    return np.asarray(colour, float) * factor


def _bgr(colour: Sequence[float] | np.ndarray) -> tuple[float, float, float]:
    blue, green, red = (min(255.0, max(0.0, float(value))) for value in colour)
    return blue, green, red


def _fixed(points: np.ndarray) -> np.ndarray:
    near = np.minimum(np.maximum(points, -_FAR), _FAR)
    fixed: np.ndarray = np.rint(near * (1 << _SHIFT)).astype(np.int32)
    return fixed


class Canvas:
    """Image (H, W, 3) uint8 BGR, label map (H, W) uint16, and surfaces (H, W) uint8.

    A label is `figure * PARTS_PER_FIGURE + part`; it and the `Surface` are 0 for background and
    occluders. Figures count from 1; `begin_figure` starts the next. Points are (N, 2) float px,
    (0, 0) the middle of the first pixel.
    """

    def __init__(self, image: np.ndarray) -> None:
        self.image = image
        self.labels: np.ndarray = np.zeros(image.shape[:2], np.uint16)
        self.surfaces: np.ndarray = np.zeros(image.shape[:2], np.uint8)
        self.figure = 0
        self._whole: np.ndarray = np.zeros(image.shape[:2], np.uint8)

    def begin_figure(self) -> int:
        """Start the next figure; return its number."""
        self.figure += 1
        self._whole[:] = 0
        return self.figure

    def figure_box(self) -> np.ndarray:
        """Box (4,) xyxy px of all that was drawn of the current figure inside the image."""
        x, y, width, height = cv2.boundingRect(self._whole)
        return np.array([x, y, x + width, y + height], float)

    def fill(
        self,
        points: np.ndarray,
        colour: Sequence[float] | np.ndarray,
        part: BodyPart | None = None,
        surface: Surface | None = None,
    ) -> None:
        """Fill a polygon; with a part, label it as that part of the current figure.

        surface: what it shows; where it is left out that of the part, if there is one.
        """
        self.fill_all([points], colour, part, surface)

    def fill_all(
        self,
        polygons: Sequence[np.ndarray],
        colour: Sequence[float] | np.ndarray,
        part: BodyPart | None = None,
        surface: Surface | None = None,
    ) -> None:
        """Fill polygons that do not overlap one another."""
        if not len(polygons):
            return
        fixed = [_fixed(points) for points in polygons]
        cv2.fillPoly(self.image, fixed, _bgr(colour), cv2.LINE_AA, _SHIFT)
        if part is not None:
            cv2.fillPoly(
                self.labels, fixed, self.figure * PARTS_PER_FIGURE + part, cv2.LINE_8, _SHIFT
            )
            cv2.fillPoly(self._whole, fixed, 1, cv2.LINE_8, _SHIFT)
            surface = surface or _SURFACES[part]
        if surface is not None:
            cv2.fillPoly(self.surfaces, fixed, int(surface), cv2.LINE_8, _SHIFT)

    def occlude(self, points: np.ndarray, colour: Sequence[float] | np.ndarray) -> None:
        """Fill a polygon that belongs to nobody and hides what lies behind."""
        self.fill(points, colour)
        for truth in (self.labels, self.surfaces):
            cv2.fillPoly(truth, [_fixed(points)], 0, cv2.LINE_8, _SHIFT)

    def darken(self, points: np.ndarray, factor: float) -> None:
        """Multiply the picture inside a polygon by `factor`; it changes no label."""
        height, width = self.labels.shape
        x1, y1 = np.clip(np.floor(points.min(0)), 0, (width, height)).astype(int)
        x2, y2 = np.clip(np.ceil(points.max(0)) + 1, 0, (width, height)).astype(int)
        if x2 > x1 and y2 > y1:
            mask = np.zeros((y2 - y1, x2 - x1), np.uint8)
            cv2.fillPoly(mask, [_fixed(points - (x1, y1))], 255, cv2.LINE_AA, _SHIFT)
            region = self.image[y1:y2, x1:x2]
            strength = 1 - (1 - factor) / 255 * mask[..., None].astype(np.float32)
            region[:] = (region * strength).astype(np.uint8)

    def stroke(
        self,
        points: np.ndarray,
        colour: Sequence[float] | np.ndarray,
        width: float,
        closed: bool = False,
    ) -> None:
        """Draw a line of `width` px through points; it changes no label.

        Below one pixel the line fades instead of getting thinner.
        """
        if width < 0.25:
            return
        if width < 1:
            height, across = self.labels.shape
            x, y = points.sum(0) / len(points)
            under = self.image[min(max(int(y), 0), height - 1), min(max(int(x), 0), across - 1)]
            colour = mix(under, colour, width)
        thickness, line = max(1, round(width)), [_fixed(points)]
        cv2.polylines(self.image, line, closed, _bgr(colour), thickness, cv2.LINE_AA, _SHIFT)

    def limb(
        self,
        start: np.ndarray,
        end: np.ndarray,
        start_radius: float,
        end_radius: float,
        colour: Sequence[float] | np.ndarray,
        part: BodyPart | None,
        surface: Surface | None = None,
    ) -> None:
        """A rounded bar from `start` (2,) to `end` (2,)."""
        if min(start[1] - start_radius, end[1] - end_radius) > self.labels.shape[0]:
            return  # the legs in a close-up
        along = end - start
        angle = np.arctan2(along[1], along[0])
        turn = np.linspace(-np.pi / 2, np.pi / 2, 8)
        end_cap = end + end_radius * np.stack([np.cos(angle + turn), np.sin(angle + turn)], 1)
        start_cap = start - start_radius * np.stack([np.cos(angle + turn), np.sin(angle + turn)], 1)
        self.fill(np.concatenate([end_cap, start_cap]), colour, part, surface)


_TURN = np.linspace(0, 2 * np.pi, 24, endpoint=False)
CIRCLE = np.stack([np.cos(_TURN), np.sin(_TURN)], 1)


def ellipse(
    centre: Sequence[float] | np.ndarray, half_width: float, half_height: float, tilt: float = 0.0
) -> np.ndarray:
    """Outline (24, 2) of an ellipse turned by `tilt` radians."""
    cosine, sine = np.cos(tilt), np.sin(tilt)
    points = CIRCLE * (half_width, half_height)
    turned: np.ndarray = np.asarray(centre, float) + points @ np.array(
        [[cosine, sine], [-sine, cosine]]
    )
    return turned
