"""Curves as coordinates of a small drawing."""

import math
from dataclasses import dataclass

import numpy as np

from pipelines.evaluate.tasks.figure import Curve

#: Size of the area inside the axes.
WIDTH, HEIGHT = 360.0, 200.0
_LABELS = {
    "CMC": ("rank", "queries with a match by this rank"),
    "ROC": ("false accept rate", "true accept rate"),
}
#: Smaller false accept rates are not drawn.
_LEAST = 1e-6


@dataclass(frozen=True)
class Plot:
    """points: of an SVG polyline. x_ticks, y_ticks: place and text of each."""

    kind: str
    x_label: str
    y_label: str
    points: str
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]


def plot(curve: Curve) -> Plot:
    """A CMC on a linear axis of ranks, or a ROC on a logarithmic one of false accept rates.

    The axis of shares begins at the multiple of ten per cent below the curve's lowest value.
    """
    x, y = np.asarray(curve.x, float), np.asarray(curve.y, float)
    if curve.kind == "ROC":
        kept = x >= _LEAST
        x, y = np.log10(x[kept]), y[kept]
        low = math.floor(x[0]) if len(x) else -1
        ticks = [(float(power), f"{10.0**power:g}") for power in range(min(low, -1), 1)]
    else:
        last = len(x)
        marks = [1, *(rank for rank in (5, 10, 20, 30, 40, 50) if rank <= last)]
        ticks = [(float(rank), str(rank)) for rank in marks]
    first, span = ticks[0][0], max(ticks[-1][0], *x.tolist(), ticks[0][0] + 1e-9) - ticks[0][0]
    floor = math.floor(10 * float(y.min(initial=1)) + 1e-9) / 10
    floor = min(floor, 0.9)

    def across(value: float) -> float:
        return float(round((value - first) / span * WIDTH, 1))

    def down(value: float) -> float:
        return round((1 - (value - floor) / (1 - floor)) * HEIGHT, 1)

    steps = round((1 - floor) * 10)
    shares = [1 - number / 10 for number in range(0, steps + 1, 2 if steps > 5 else 1)]
    return Plot(
        curve.kind,
        *_LABELS[curve.kind],
        " ".join(f"{across(a)},{down(b)}" for a, b in zip(x.tolist(), y.tolist(), strict=True)),
        [(across(place), text) for place, text in ticks],
        [(down(share), f"{share:.0%}") for share in shares],
    )
