"""The figures beside those of the paper as rows, and as JSON, CSV and LaTeX."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pipelines.evaluate.report.formats import as_csv, as_tabular, escaped
from pipelines.evaluate.report.paper import AVERAGES, Paper, paper, paper_average
from pipelines.evaluate.run import Evaluated
from pipelines.evaluate.tasks.figure import Curve
from webbody import __version__

#: Metrics that the tables show; all are in the JSON.
SHOWN = ("top1", "mAP", "accuracy", "TAR@FAR=1e-04")
#: Points of a curve in the JSON, about.
_POINTS = 500
#: What is shown beside, where the paper prints it.
_PRINTED = ("top5",)


@dataclass(frozen=True)
class MetricRow:
    """A metric in percent: ours, SapiensID's in the paper, and the best other method's.

    None where it is not defined or not printed; difference: ours less SapiensID's.
    """

    dataset: str
    figure: str
    metric: str
    ours: float | None
    sapiensid: float | None
    best_other: float | None
    other_method: str | None

    @property
    def difference(self) -> float | None:
        if self.ours is None or self.sapiensid is None:
            return None
        return self.ours - self.sapiensid


def rows(found: Sequence[Evaluated]) -> list[MetricRow]:
    """A row for each metric that is shown, and the paper's averages of sets that are all there."""
    out = []
    cells = {}
    for one in found:
        for figure in one.figures:
            for metric, value in figure.metrics.items():
                printed = paper(one.name, figure.name, metric)
                cells[one.name, figure.name, metric] = value
                if metric in SHOWN or (metric in _PRINTED and printed.sapiensid):
                    out.append(_row(one.title, figure.name, metric, value, printed))
    for name, keys in AVERAGES.items():
        if all(key in cells for key in keys):
            mean = sum(cells[key] for key in keys) / len(keys)
            out.append(_row("average", name, "mean", mean, paper_average(name)))
    return out


def to_json(found: Sequence[Evaluated]) -> str:
    """All figures with their counts, metrics as fractions; null where one is not defined."""
    return (
        json.dumps(
            {
                "webbody": __version__,
                "paper": "Kim et al., SapiensID: Foundation for Human Recognition, CVPR 2025",
                "data_sets": [_described(one) for one in found],
                "table": [{**asdict(row), "difference": row.difference} for row in rows(found)],
            },
            indent=1,
        )
        + "\n"
    )


def to_csv(found: Sequence[Evaluated]) -> str:
    """The rows, in percent."""
    return as_csv(
        ["dataset", "figure", "metric", "ours", "sapiensid", "best_other", "other_method",
         "difference"],
        [
            [row.dataset, row.figure, row.metric, *map(percent, (row.ours, row.sapiensid)),
             percent(row.best_other), row.other_method or "", percent(row.difference, "+")]
            for row in rows(found)
        ],
    )  # fmt: skip


def to_latex(found: Sequence[Evaluated]) -> str:
    """A tabular for the package booktabs."""
    head = [
        "Data set",
        "Figure",
        "Metric",
        "Ours",
        "SapiensID",
        "Best other",
        "Method",
        r"$\Delta$",
    ]
    lines = as_tabular("lllrrrlr", head, map(_latex_cells, rows(found)))
    return "\n".join([r"% needs \usepackage{booktabs}", *lines, ""])


def in_percent(fraction: float) -> float | None:
    """None where it is not defined."""
    return 100 * fraction if math.isfinite(fraction) else None


def percent(value: float | None, sign: str = "") -> str:
    """Two decimals, as the paper prints; empty for None."""
    return "" if value is None else f"{value:{sign}.2f}"


def _latex_cells(row: MetricRow) -> list[str]:
    numbers = [percent(x) or "--" for x in (row.ours, row.sapiensid, row.best_other)]
    difference = percent(row.difference, "+")
    return [
        *map(escaped, (row.dataset, row.figure, row.metric)),
        *numbers,
        escaped(row.other_method or "--"),
        f"${difference}$" if difference else "--",
    ]


def _row(dataset: str, figure: str, metric: str, value: float, printed: Paper) -> MetricRow:
    own, other = printed.sapiensid, printed.best_other
    return MetricRow(
        dataset, figure, metric,
        in_percent(value),
        own.percent if own else None,
        other.percent if other else None,
        " ".join(filter(None, (other.method, f"({other.training})" * bool(other.training))))
        if other else None,
    )  # fmt: skip


def _thinned(curve: Curve | None) -> dict[str, Any] | None:
    """A curve with as many points as a page can show."""
    if curve is None:
        return None
    some = np.unique(np.linspace(0, len(curve.x) - 1, _POINTS).round().astype(int))
    if curve.kind == "ROC" and len(curve.x) > _POINTS:  # whose axis is logarithmic
        spread = np.geomspace(max(curve.x[curve.x > 0].min(initial=1), 1e-9), 1, _POINTS)
        some = np.union1d(some, np.searchsorted(curve.x, spread).clip(0, len(curve.x) - 1))
    points = (np.asarray(values, float)[some].tolist() for values in (curve.x, curve.y))
    return dict(zip(("kind", "x", "y"), (curve.kind, *points), strict=True))


def _described(one: Evaluated) -> dict[str, Any]:
    return {
        "name": one.name,
        "title": one.title,
        "path": one.path,
        "features": one.model,
        "seconds": round(one.seconds, 2),
        "figures": [
            {
                "name": figure.name,
                "metrics": {
                    name: value if math.isfinite(value) else None
                    for name, value in figure.metrics.items()
                },
                "counts": figure.counts,
                "notes": figure.notes,
                "curve": _thinned(figure.curve),
            }
            for figure in one.figures
        ],
    }
