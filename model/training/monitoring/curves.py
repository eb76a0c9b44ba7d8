"""The curves of a run as a picture; needs matplotlib."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE, GREY = "#1f5fa8", "#d9731a", "#6b6b6b"
#: The smooth line of a noisy one is a mean over as large a part of the run.
_SMOOTH = 1 / 25

Lines = Sequence[dict[str, Any]]


def draw(log: Lines, scores: Lines, path: Path) -> None:
    """Loss, validation (if there is any), speed and learning rate over the images seen, as PNG.

    log and scores: the lines of the two log files.
    """
    if not log:
        return
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # Without pyplot, which would ask for a display and keep every figure.
    shape, size = ((2, 2), (11, 6.6)) if scores else ((1, 3), (14, 3.8))
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(*shape, sharex=True).ravel()
    for axis, panel in zip(axes, panels(log, scores), strict=True):
        panel(axis)
        _tidy(axis)
    for axis in axes[-shape[1] :]:
        axis.set_xlabel("images seen", color=GREY)
    # A title in figures spares a look into the log.
    last = log[-1]
    figure.suptitle(
        f"step {last['done']:,} of {last['steps']:,}, loss {last['loss']:.2f}"
        + (f", {_last_score(scores[-1])}" if scores else ""),
        x=0.01,
        ha="left",
        fontsize=11,
        color=GREY,
    )
    FigureCanvasAgg(figure).print_png(str(path))


def draw_each(log: Lines, scores: Lines, size: tuple[float, float]) -> "list[Figure]":
    """The same curves, each in a figure of its own of `size` inches; none where there is no log."""
    from matplotlib.figure import Figure

    figures = []
    for panel in panels(log, scores) if log else ():
        figure = Figure(figsize=size, layout="constrained", facecolor="none")
        axis = figure.subplots()
        axis.set_facecolor("none")
        panel(axis)
        _tidy(axis)
        axis.set_xlabel("images seen", color=GREY)
        figures.append(figure)
    return figures


def panels(log: Lines, scores: Lines) -> "list[Callable[[Axes], None]]":
    """What draws each curve on an axis: loss, validation if there is any, speed, learning rate."""
    seen = _column(log, "seen")

    def speed(axis: "Axes") -> None:
        _noisy(axis, seen, _column(log, "images"), "Images per second")
        axis.set_ylim(bottom=0)

    return [
        lambda axis: _noisy(axis, seen, _column(log, "loss"), "Loss"),
        *([lambda axis: _found(axis, scores)] if scores else ()),
        speed,
        lambda axis: _rate(axis, seen, _column(log, "lr")),
    ]


def _noisy(axis: "Axes", seen: NDArray[np.float64], values: NDArray[np.float64], name: str) -> None:
    """Values as they are, pale, and their moving mean."""
    _line(axis, seen, values, pale=True)
    _line(axis, seen, _smooth(values))
    axis.set_title(name, loc="left")


def _line(
    axis: "Axes", seen: NDArray[np.float64], values: NDArray[np.float64], pale: bool = False
) -> None:
    # A single value is no line yet.
    mark = "o" if len(values) == 1 else ""
    alpha, width = (0.3, 1.0) if pale else (1.0, 1.8)
    axis.plot(seen, values, color=BLUE, alpha=alpha, linewidth=width, marker=mark)


def _last_score(score: dict[str, Any]) -> str:
    if "rank1" in score:
        return f"rank-1 {score['rank1']:.1%}"
    return f"{score['metric']} {score['value']:.3f}"


def _found(axis: "Axes", scores: Lines) -> None:
    if "rank1" not in scores[0]:
        values = _column(scores, "value")
        axis.plot(_column(scores, "seen"), values, color=BLUE, marker="o", markersize=4)
        axis.set_title(f"Validation: {scores[0]['metric']}", loc="left")
        return
    seen = _column(scores, "seen")
    for name, label, colour in (("rank1", "rank-1", BLUE), ("mAP", "mAP", ORANGE)):
        values = 100 * _column(scores, name)
        axis.plot(seen, values, color=colour, marker="o", markersize=4, label=label)
        most = int(values.argmax())
        axis.annotate(
            f"{values[most]:.1f}",
            (seen[most], values[most]),
            (0, 6),
            textcoords="offset points",
            ha="center",
            color=colour,
        )
    axis.set_title("Validation (%)", loc="left")
    axis.set_ylim(0, 120 * max(line[name] for line in scores for name in ("rank1", "mAP")) or 1)
    axis.legend(loc="lower right", frameon=False)


def _rate(axis: "Axes", seen: NDArray[np.float64], values: NDArray[np.float64]) -> None:
    """A step's rate falls with its batch: pale; the line is that of the largest batches."""
    power = math.floor(math.log10(values.max() or 1.0))
    values = values / 10.0**power
    _line(axis, seen, values, pale=True)
    highest = [values[start:end].max() for start, end in _windows(len(values))]
    _line(axis, seen, np.array(highest))
    axis.set_title(rf"Learning rate ($\times 10^{{{power}}}$; line: largest batches)", loc="left")
    axis.set_ylim(bottom=0)


def _tidy(axis: "Axes") -> None:
    from matplotlib.ticker import EngFormatter

    axis.xaxis.set_major_formatter(EngFormatter(sep=""))
    axis.tick_params(colors=GREY, labelbottom=True)
    axis.grid(axis="y", alpha=0.25)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)


def _column(lines: Lines, name: str) -> NDArray[np.float64]:
    return np.array([line[name] for line in lines], np.float64)


def _smooth(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means over windows that shrink towards the ends."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    starts, ends = _windows(len(values)).T
    means: NDArray[np.float64] = (sums[ends] - sums[starts]) / (ends - starts)
    return means


def _windows(count: int) -> NDArray[np.int64]:
    """Start and end (count, 2) of a window around each place."""
    half = max(1, round(count * _SMOOTH / 2))
    places = np.arange(count)
    reach = np.minimum(half, np.minimum(places, count - 1 - places))
    return np.stack([places - reach, places + reach + 1], 1)
