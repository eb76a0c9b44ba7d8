"""Histograms of scores, sizes and similarities, with the thresholds that judge them.

What moving a threshold would keep is counted from the index: of the stage alone. What later stages
would make of it is not known without building again.
"""

import math
from dataclasses import dataclass, field, replace
from typing import Any

from pipelines.viewer.index.selection import figures
from pipelines.viewer.index.thresholds import DRAWN, Judged, judged, threshold
from pipelines.viewer.index.viewed import ViewedBuild
from webbody.errors import WebbodyError

_BINS = 60
_SHOWN = (
    "person_score", "side", "face_score", "face_size", "face_norm", "similarity", "decided",
    "points", "image_width", "text_share", "texture",
)  # fmt: skip
#: Factors and steps by which a threshold is tried.
_STEPS = (-0.2, -0.1, -0.05, 0.0, 0.05, 0.1, 0.2)


@dataclass
class Bar:
    """A bin: where it begins, its crops, and those among them that are kept."""

    start: float
    count: int
    kept: int


@dataclass
class Moved:
    """What a threshold at `value` would do: crops that pass it, kept ones that stay, others that
    it dropped and that would go on."""

    value: float
    passing: int
    kept: int
    more: int
    now: bool


@dataclass
class Histogram:
    """A figure over all crops; `lines` are thresholds with their settings."""

    figure: str
    title: str
    low: float
    high: float
    bars: list[Bar]
    lines: list[tuple[str, float]] = field(default_factory=list)
    moves: dict[str, list[Moved]] = field(default_factory=dict)

    @property
    def highest(self) -> int:
        return max((bar.count for bar in self.bars), default=1) or 1

    def place(self, value: float) -> float:
        """Where a value lies, from 0 (low) to 1 (high)."""
        return min(1.0, max(0.0, (value - self.low) / ((self.high - self.low) or 1.0)))

    @property
    def width(self) -> float:
        """Of a bin, in the figure's own unit."""
        return (self.high - self.low) / _BINS


def figures_page(viewed: ViewedBuild, tried: dict[str, str]) -> dict[str, Any]:
    """What the template `figures` shows; tried: values for settings that the address asks about."""
    judges = judged(viewed.settings, viewed.build.graph.has("quality"))
    shown = []
    known = figures(viewed.database.columns)
    for name in (*_SHOWN, *(name for name in known if name.startswith("flag_"))):
        histogram = histogram_of(viewed, name)
        if histogram is None:
            continue
        for judge in (one for one in judges if one.figure == name):
            at = threshold(judge.setting, viewed.settings)
            if at is None:
                continue
            histogram.lines.append((judge.setting, at))
            wanted = _wanted(judge.setting, at, tried.get(judge.setting, ""))
            histogram.moves[judge.setting] = moves(viewed, judge, wanted, at)
        for setting in DRAWN.get(name, ()):
            if (at := threshold(setting, viewed.settings)) is not None:
                histogram.lines.append((setting, at))
        shown.append(histogram)
    return {"histograms": shown, "tried": tried, "bins": _BINS}


def histogram_of(viewed: ViewedBuild, name: str) -> Histogram | None:
    """The histogram of a column, without thresholds; None where no crop has the figure."""
    key = f"histogram {name}"
    if key not in viewed.kept:
        viewed.kept[key] = _counted(viewed, name)
    found: Histogram | None = viewed.kept[key]
    return None if found is None else replace(found, lines=[], moves={})


def _counted(viewed: ViewedBuild, name: str) -> Histogram | None:
    sql = f"SELECT min({name}) AS low, approx_quantile({name}::DOUBLE, 0.995) AS high"
    found = viewed.database.rows(
        f"{sql}, count({name}) AS n FROM crops WHERE isfinite({name}::DOUBLE)"
    )[0]
    if not found["n"]:
        return None
    low, high = float(found["low"]), float(found["high"])
    if low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    high = high if high > low else low + 1
    rows = viewed.database.rows(
        f"SELECT least(floor(({name} - ?) / ? * {_BINS}), {_BINS - 1})::INTEGER AS bin, "
        "count(*) AS n, count(*) FILTER (outcome = 'kept') AS kept "
        f"FROM crops WHERE isfinite({name}::DOUBLE) GROUP BY bin ORDER BY bin",
        (low, high - low),
    )
    by_bin = {row["bin"]: row for row in rows}
    step = (high - low) / _BINS
    bars = []
    for number in range(_BINS):
        row = by_bin.get(number, {"n": 0, "kept": 0})
        bars.append(Bar(low + number * step, row["n"], row["kept"]))
    return Histogram(name, figures(viewed.database.columns)[name], low, high, bars)


def moves(viewed: ViewedBuild, judge: Judged, values: list[float], now: float) -> list[Moved]:
    """What each value of a threshold would do, from one look at the index."""
    sign = ">=" if judge.least else "<="
    parts = []
    for number in range(len(values)):
        passes = f"{judge.compared} {sign} ?"
        parts += [
            f"count(*) FILTER ({passes}) AS p{number}",
            f"count(*) FILTER ({passes} AND outcome = 'kept') AS k{number}",
            f"count(*) FILTER ({passes} AND outcome = '{judge.outcome}') AS m{number}",
        ]
    given = [value for value in values for _ in range(3)]
    key = f"moves {judge} {values}"
    if key not in viewed.kept:
        found = viewed.database.rows(f"SELECT {', '.join(parts)} FROM crops", given)
        viewed.kept[key] = found[0]
    row = viewed.kept[key]
    return [
        Moved(value, row[f"p{i}"], row[f"k{i}"], row[f"m{i}"], value == now)
        for i, value in enumerate(values)
    ]


def _wanted(setting: str, now: float, asked: str) -> list[float]:
    """The values to try: some around the present one, and what was asked for."""
    scale = 1.0 if now <= 1 else now
    values = {round(now + step * scale, 4) if step else now for step in _STEPS}
    if now <= 1:
        values = {value for value in values if 0 <= value <= 1}
    if asked:
        try:
            value = float(asked)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise WebbodyError(f"{setting}={asked[:40]!r} is no number; correct it.")
        values.add(value)
    return sorted(values)
