"""Results of a study, with the paper's figures."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from pipelines.evaluate.report.paper import AVERAGES
from pipelines.evaluate.report.tables import SHOWN, in_percent
from pipelines.evaluate.tasks.figure import TaskResult


@dataclass(frozen=True)
class Point:
    """A metric, in percent, of a figure of a data set under a condition of a study.

    study: its name. model: what the features are of. ours: None where it is not defined.
    """

    study: str
    model: str
    condition: str
    dataset: str
    figure: str
    metric: str
    ours: float | None

    @property
    def paper(self) -> float | None:
        """What the paper prints for SapiensID (for fusion: for its two models), in percent."""
        return printed(self.study, self.condition, self.dataset, self.figure, self.metric)


def points(study: str, model: str, condition: str, dataset: str, figure: TaskResult) -> list[Point]:
    """The shown metrics of a figure."""
    return [
        Point(study, model, condition, dataset, figure.name, metric, in_percent(value))
        for metric, value in figure.metrics.items()
        if metric in SHOWN
    ]


def averages(found: Sequence[Point]) -> list[Point]:
    """The paper's averages (Tables 1 and 5) of each condition that has all their data sets.

    found: points of one study and model.
    """
    out = []
    for condition in dict.fromkeys(point.condition for point in found):
        ours = {(p.dataset, p.figure, p.metric): p.ours for p in found if p.condition == condition}
        for name, keys in AVERAGES.items():
            values = [ours.get(key) for key in keys]
            known = [value for value in values if value is not None]
            if len(known) == len(keys):
                mean = sum(known) / len(known)
                one = found[0]
                out.append(Point(one.study, one.model, condition, "average", name, "mean", mean))
    return out


def printed(study: str, condition: str, dataset: str, figure: str, metric: str) -> float | None:
    """The paper's cell, in percent; None where it prints nothing."""
    return _cells().get((study, condition, dataset, figure, metric))


@cache
def _cells() -> dict[tuple[str, ...], float]:
    """Tables 8, 10, 11, 16 and B.6 (Kim et al., SapiensID, CVPR 2025)."""
    text = files("pipelines.study").joinpath("paper.csv").read_text("utf-8")
    keys = ("study", "condition", "dataset", "figure", "metric")
    rows = csv.DictReader(text.splitlines())
    return {tuple(row[key] for key in keys): float(row["percent"]) for row in rows}
