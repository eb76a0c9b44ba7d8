"""How much of a picture lines of text cover, such as captions and repeated watermarks.

Letters are connected pieces that are lighter, or darker, than what is around them; a line is a row
of such pieces of similar height and brightness beside one another.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from webbody.images import RGB

#: Pixels on the longer side at which a picture is looked at; letters are up to HEIGHTS high there.
_SIDE = 640
_HEIGHTS = (9, 100)
#: Strokes are thinner than this (pixels), and by so many levels lighter or darker than around them.
_STROKE, _CONTRAST = 17, 60
#: Letters of a line at least, and by how many levels the brightness of neighbours may differ.
_LETTERS, _ALIKE = 7, 18
#: Of a letter: width by height at most, share of its box that it fills, pixels at least.
_WIDE, _FILL, _PIXELS = 1.6, (0.18, 0.95), 16
#: Of neighbours: ratio of heights at most, overlap of heights, gap by height at least and at most.
_RATIO, _OVERLAP, _GAPS = 1.7, 0.6, (-0.2, 0.9)


def text_share(image: RGB) -> float:
    """The share of a picture (0 to 1) that boxes around lines of text cover.

    A line is at least 7 letters that do not touch one another. Text in the scene, such as signs,
    counts as well. Small credits come to less than 0.02.

    Args:
        image: (H, W, 3) uint8 RGB of any size.
    """
    scale = _SIDE / max(image.shape[:2])
    height, width = (max(1, round(side * scale)) for side in image.shape[:2])
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    grey = cv2.cvtColor(cv2.resize(image, (width, height), interpolation=way), cv2.COLOR_RGB2GRAY)
    covered = np.zeros((height, width), bool)
    stroke = cv2.getStructuringElement(cv2.MORPH_RECT, (_STROKE, _STROKE))
    for operation in (cv2.MORPH_TOPHAT, cv2.MORPH_BLACKHAT):
        strokes = cv2.morphologyEx(grey, operation, stroke) >= _CONTRAST
        for left, top, right, bottom in _lines(_letters(strokes, grey)):
            covered[top:bottom, left:right] = True
    return float(covered.mean())


@dataclass(frozen=True)
class _Letters:
    """Pieces (N,) that may be letters, sorted by left; brightness is the mean grey value."""

    left: NDArray[np.int64]
    top: NDArray[np.int64]
    width: NDArray[np.int64]
    height: NDArray[np.int64]
    brightness: NDArray[np.float64]


def _letters(strokes: NDArray[np.bool_], grey: NDArray[Any]) -> _Letters:
    """Connected pieces of the size and shape of letters."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(strokes.astype(np.uint8))
    left, top, width, height, pixels = stats.T.astype(np.int64)
    filled = pixels / (width * height)
    fits = (height >= _HEIGHTS[0]) & (height <= _HEIGHTS[1]) & (width >= 2)
    fits &= (width <= _WIDE * height) & (pixels >= _PIXELS)
    fits &= (filled >= _FILL[0]) & (filled <= _FILL[1])
    fits[0] = False  # what is around them
    sums = np.bincount(labels.ravel(), grey.ravel().astype(np.float64), count)
    which = np.flatnonzero(fits)
    which = which[np.argsort(left[which], kind="stable")]
    brightness = sums[which] / pixels[which]
    return _Letters(left[which], top[which], width[which], height[which], brightness)


def _lines(letters: _Letters) -> list[tuple[int, int, int, int]]:
    """The boxes (left, top, right, bottom) of rows of enough letters."""
    used = np.zeros(len(letters.left), bool)
    boxes = []
    for first in range(len(used)):
        if used[first]:
            continue
        line = [first]
        while (following := _next(letters, line[-1], used)) is not None:
            line.append(following)
        if len(line) >= _LETTERS:
            used[line] = True
            left, top = letters.left[line], letters.top[line]
            right, bottom = left + letters.width[line], top + letters.height[line]
            boxes.append((int(left.min()), int(top.min()), int(right.max()), int(bottom.max())))
    return boxes


def _next(letters: _Letters, one: int, used: NDArray[np.bool_]) -> int | None:
    """The nearest letter to the right that belongs to the same line."""
    left, top, height = letters.left, letters.top, letters.height
    end = left[one] + letters.width[one]
    low = np.searchsorted(left, max(left[one] + 1, end + _GAPS[0] * height[one]))
    high = np.searchsorted(left, end + _GAPS[1] * height[one], side="right")
    near = slice(int(low), int(high))
    smaller, larger = (f(height[near], height[one]) for f in (np.minimum, np.maximum))
    bottom = np.minimum(top[near] + height[near], top[one] + height[one])
    fits = ~used[near] & (larger <= _RATIO * smaller)
    fits &= bottom - np.maximum(top[near], top[one]) >= _OVERLAP * smaller
    fits &= np.abs(letters.brightness[near] - letters.brightness[one]) <= _ALIKE
    found = np.flatnonzero(fits)
    return int(low + found[0]) if len(found) else None
