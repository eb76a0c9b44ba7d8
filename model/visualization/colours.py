"""The colours of all pictures: regions, the skeleton's sides, and heat from blue to red."""

from colorsys import hsv_to_rgb

import numpy as np
from numpy.typing import ArrayLike, NDArray

from webbody.skeleton import NAMES

Colour = tuple[int, int, int]

PAPER, INK, FAINT = (255, 255, 255), (24, 26, 32), (120, 124, 134)
#: What is left out of a picture: masked tokens, bars without a value.
GREY = (206, 209, 214)
#: The whole image, then each region of higher precedence; more regions start again.
REGIONS: tuple[Colour, ...] = ((47, 84, 214), (13, 138, 72), (214, 40, 57), (140, 60, 190))
#: The subject's left and right, and what joins them.
LEFT, RIGHT, MIDDLE = (255, 159, 28), (56, 189, 248), (255, 255, 255)
_HEAT = np.array(
    [(36, 58, 160), (52, 150, 230), (112, 214, 140), (250, 205, 60), (206, 32, 40)], np.float64
)


def heat(values: ArrayLike) -> NDArray[np.uint8]:
    """Colours (..., 3) of values (...): 0 and less is blue, 1 and more red, with green between."""
    place = np.nan_to_num(np.asarray(values, np.float64)).clip(0, 1) * (len(_HEAT) - 1)
    ticks = np.arange(len(_HEAT))
    return np.stack([np.interp(place, ticks, _HEAT[:, c]) for c in range(3)], -1).astype(np.uint8)


def spread(values: ArrayLike) -> NDArray[np.float64]:
    """Values moved and scaled to lie from 0 to 1; all 0 where they are equal."""
    array = np.asarray(values, np.float64)
    low, high = array.min(), array.max()
    return (array - low) / (high - low) if high > low else np.zeros_like(array)


def class_colour(number: int) -> Colour:
    """A colour for a class, unlike those of the numbers near to it."""
    hue = (number * 0.618034) % 1
    red, green, blue = hsv_to_rgb(hue, (0.85, 0.6)[number // 2 % 2], (0.95, 0.75)[number % 2])
    return round(255 * red), round(255 * green), round(255 * blue)


def region_colour(region: int) -> Colour:
    """The colour of a region, 0 being the whole image."""
    return REGIONS[region % len(REGIONS)]


def _side_colour(name: str) -> Colour:
    """The colour of a keypoint, by the side of the subject that its name tells."""
    if name.startswith("left"):
        return LEFT
    return RIGHT if name.startswith("right") else MIDDLE


#: The colour of each of the 19 keypoints.
SIDES = tuple(map(_side_colour, NAMES))


def line_colour(a: int, b: int) -> Colour:
    """A line from the middle to one side has that side's colour; one from side to side is white."""
    sides = {SIDES[a], SIDES[b]} - {MIDDLE}
    return sides.pop() if len(sides) == 1 else MIDDLE
