"""The expected effect of thresholds on a build: wrong merges and missed merges."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pipelines.calibration.cosines import of_values


def expectations(
    reached: Callable[[float], float],
    small: NDArray[np.float64],
    people: int,
    images: int,
    similar: float,
    ambiguous: float,
) -> list[str]:
    """Sentences for the user on a build of `people` with `images` each.

    reached: the cosine that a share of all pairs of strangers exceeds. small: cosines of one
    person's centres, of half as many images.
    """
    pairs = people * (people - 1) / 2
    merged, doubtful = _rate(reached, similar), _rate(reached, ambiguous)
    alike = of_values(-small)
    missed, twice = alike.share_above(-similar), alike.share_above(-ambiguous)
    return [
        f"In a build of {people:,} people with {images} images each, by chance alone "
        f"{_number(merged * pairs)} pairs of strangers would be merged, and "
        f"{_number(max(0.0, (doubtful - merged) * pairs))} people dropped as ambiguous; relatives "
        "and twins come on top.",
        f"Of 100 people with two names of half as many images there, {_number(100 * missed)} would "
        f"not be merged: {_number(100 * twice)} stay as two people, the others lose the smaller "
        "name.",
    ]


def _rate(reached: Callable[[float], float], cosine: float) -> float:
    """The share of pairs of strangers above a cosine, by bisection of their tail."""
    low, high = -60.0, -0.5  # powers of ten
    if reached(10**low) <= cosine:
        return 0.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if reached(10**middle) > cosine else (low, middle)
    return float(10**high)


def _number(value: float) -> str:
    """An expected count in few digits."""
    if value < 0.01:
        return "less than 0.01"
    return f"{value:.2f}" if value < 1 else f"{value:,.0f}" if value >= 10 else f"{value:.1f}"
