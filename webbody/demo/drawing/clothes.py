"""What somebody wears in one picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from webbody.demo.drawing.canvas import Canvas, shade
from webbody.demo.drawing.identity import Colour

PLAIN, STRIPED, JACKET, PRINTED, LINED = range(5)


@dataclass(frozen=True)
class Clothes:
    """Colours BGR 0..255; sleeves and trousers from 0 (none) to 1 (full length)."""

    top: Colour
    bottom: Colour
    shoes: Colour
    trim: Colour
    sleeves: float
    trousers: float
    skirt: bool
    pattern: int
    hat: Colour | None

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Clothes:
        """Random clothes."""

        def colour(low: float = 20, high: float = 235) -> Colour:
            grey = rng.uniform(low, high)
            blue, green, red = grey + (rng.uniform(low, high, 3) - grey) * rng.uniform(0.2, 1)
            return float(blue), float(green), float(red)

        return cls(
            top=colour(),
            bottom=colour(15, 190),
            shoes=colour(10, 200),
            trim=colour(),
            sleeves=float(rng.choice([0.0, 0.5, 1.0], p=[0.1, 0.35, 0.55])),
            trousers=float(rng.choice([0.4, 1.0], p=[0.25, 0.75])),
            skirt=bool(rng.random() < 0.18),
            pattern=int(rng.choice(5, p=[0.4, 0.2, 0.15, 0.15, 0.1])),
            hat=colour() if rng.random() < 0.07 else None,
        )


def draw_pattern(
    canvas: Canvas,
    clothes: Clothes,
    line: Callable[[float], np.ndarray],
    head_px: float,
    front: bool,
) -> None:
    """Decorate a torso.

    `line(share)` is the line (N, 2) px down the torso at a share (-1..1) of its half width.
    """
    if clothes.pattern == STRIPED:
        left, right = line(-1), line(1)
        for row in np.arange(0.12, 0.95, 0.17):
            edges = [_along(side, place) for place in (row, row + 0.08) for side in (left, right)]
            canvas.fill(np.stack([edges[0], edges[1], edges[3], edges[2]]), clothes.trim)
    elif clothes.pattern == JACKET and front:
        canvas.fill(np.concatenate([line(-0.26), line(0.26)[::-1]]), clothes.trim)
        for share in (-0.28, 0.28):
            canvas.stroke(line(share), shade(clothes.top, 0.7), head_px * 0.03)
    elif clothes.pattern == PRINTED:
        places = ((-0.45, 0.3), (0.45, 0.3), (0.45, 0.55), (-0.45, 0.55))
        canvas.fill(np.stack([_along(line(share), row) for share, row in places]), clothes.trim)
    elif clothes.pattern == LINED:
        for share in (-0.75, -0.25, 0.25, 0.75):
            canvas.stroke(line(share)[2:], clothes.trim, head_px * 0.07)


def _along(line: np.ndarray, share: float) -> np.ndarray:
    """Point at a share (0..1) of a polyline (N, 2)."""
    place = share * (len(line) - 1)
    below = min(int(place), len(line) - 2)
    return np.asarray(line[below] + (line[below + 1] - line[below]) * (place - below))
