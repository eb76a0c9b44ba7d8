"""Curves as SVG drawings of the page."""

import math
from typing import TYPE_CHECKING

import numpy as np

from pipelines.evaluate.tasks.figure import Curve
from pipelines.inspection.report.inline_svg import inline_svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: In points: the whole drawing, and the area inside the axes (left, bottom, width, height).
_SIZE, _INSIDE = (424, 270), (48, 46, 360, 200)
_LABELS = {
    "CMC": ("rank", "queries with a match by this rank"),
    "ROC": ("false accept rate", "true accept rate"),
}
#: Smaller false accept rates are not drawn.
_LEAST = 1e-6
_TEXT, _GRID, _CURVE = "#5c6370", "#e3e6ea", "#3b6fd4"
#: The page's variables for these colours: a dark page has others.
_THEME = {_TEXT: "var(--soft)", _GRID: "var(--line)", _CURVE: "var(--bar)"}


def plot(curve: Curve) -> str:
    """The drawing of a curve as an SVG element in the page's colours; equal curves, equal text."""
    return inline_svg(draw(curve), _THEME)


def draw(curve: Curve) -> "Figure":
    """A CMC on a linear axis of ranks, or a ROC on a logarithmic one of false accept rates.

    The axis of shares begins at the multiple of ten per cent below the curve's lowest value.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    # Without pyplot, which needs a display and keeps every figure.
    figure = Figure(figsize=(_SIZE[0] / 72, _SIZE[1] / 72), facecolor="none")
    left, bottom, width, height = _INSIDE
    across, up = _SIZE
    axes = figure.add_axes((left / across, bottom / up, width / across, height / up))
    x, y = np.asarray(curve.x, float), np.asarray(curve.y, float)
    if curve.kind == "ROC":
        kept = x >= _LEAST
        x, y = x[kept], y[kept]
        low = min(math.floor(math.log10(x[0])), -1) if len(x) else -1
        ticks = [10.0**power for power in range(low, 1)]
        axes.set_xscale("log")
        axes.set_xlim(ticks[0], 1)
    else:
        ticks = [1.0, *(float(rank) for rank in (5, 10, 20, 30, 40, 50) if rank <= len(x))]
        axes.set_xlim(1, max(len(x), 1 + 1e-9))
    floor = min(math.floor(10 * float(y.min(initial=1)) + 1e-9) / 10, 0.9)
    steps = round((1 - floor) * 10)
    axes.set_ylim(floor, 1)
    axes.set_yticks([1 - number / 10 for number in range(0, steps + 1, 2 if steps > 5 else 1)])
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.plot(x, y, color=_CURVE, linewidth=2, clip_on=False, gid="curve")
    x_label, y_label = _LABELS[curve.kind]
    axes.set_xlabel(x_label, color=_TEXT, fontsize=11, labelpad=6)
    axes.set_title(f"{curve.kind}: {y_label}", loc="left", color=_TEXT, fontsize=11, pad=10)
    axes.set_facecolor("none")
    axes.grid(color=_GRID, linewidth=1)
    axes.set_axisbelow(True)
    axes.tick_params(which="both", length=0, pad=7, colors=_TEXT, labelsize=11)
    axes.spines[:].set_visible(False)
    return figure
