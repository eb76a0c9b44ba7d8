"""The points of a study as JSON, CSV and LaTeX, and as a table of conditions.

A table has a row for each condition and a column for each metric of a data set.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from pipelines.evaluate.report.formats import as_csv, as_tabular, escaped
from pipelines.evaluate.report.tables import percent
from pipelines.study.figures import Point
from webbody import __version__
from webbody.redaction import redacted
from webbody.storage import Folder


@dataclass(frozen=True)
class Grid:
    """The points of one model and data set: cells[condition][figure, metric].

    printed: columns of which the paper has a figure under some condition.
    """

    model: str
    dataset: str
    columns: list[tuple[str, str]]
    cells: dict[str, dict[tuple[str, str], Point]]

    @property
    def printed(self) -> set[tuple[str, str]]:
        rows = self.cells.values()
        return {key for row in rows for key, point in row.items() if point.paper is not None}


def grids(found: Sequence[Point]) -> list[Grid]:
    """The points by model and data set, conditions and columns in their order."""
    out: dict[tuple[str, str], Grid] = {}
    for point in found:
        key = point.model, point.dataset
        grid = out.setdefault(key, Grid(*key, columns=[], cells={}))
        column = point.figure, point.metric
        if column not in grid.columns:
            grid.columns.append(column)
        grid.cells.setdefault(point.condition, {})[column] = point
    return list(out.values())


def write(out: str, study: str, found: Sequence[Point]) -> list[str]:
    """Write STUDY.json, .csv and .tex into a folder; returns their names."""
    texts = {"json": to_json(found), "csv": to_csv(found), "tex": to_latex(found)}
    folder = Folder(out)
    for ending, text in texts.items():
        folder.write_bytes(f"{study}.{ending}", redacted(text).encode("utf-8", "replace"))
    return [f"{study}.{ending}" for ending in texts]


def to_json(found: Sequence[Point]) -> str:
    """All points, in percent; null where one is not defined or not printed."""
    rows = [{**asdict(point), "paper": point.paper} for point in found]
    return json.dumps({"webbody": __version__, "points": rows}, indent=1) + "\n"


def to_csv(found: Sequence[Point]) -> str:
    """A line for each point, in percent."""
    return as_csv(
        ["study", "model", "condition", "dataset", "figure", "metric", "ours", "paper"],
        [
            [point.study, point.model, point.condition, point.dataset, point.figure, point.metric,
             percent(point.ours), percent(point.paper)]
            for point in found
        ],
    )  # fmt: skip


def to_latex(found: Sequence[Point]) -> str:
    """A tabular for the package booktabs for each model and data set."""
    lines = [r"% needs \usepackage{booktabs}; the paper's figures in brackets"]
    for grid in grids(found):
        heads = [escaped(f"{figure} {metric}") for figure, metric in grid.columns]
        rows = [
            [escaped(condition), *(_cell(row.get(column)) for column in grid.columns)]
            for condition, row in grid.cells.items()
        ]
        lines.append(f"% {grid.model}, {grid.dataset}")
        lines += [*as_tabular("l" + "r" * len(heads), ["Condition", *heads], rows), ""]
    return "\n".join(lines)


def _cell(point: Point | None) -> str:
    if point is None:
        return "--"
    ours = percent(point.ours) or "--"
    return ours if point.paper is None else f"{ours} ({percent(point.paper)})"
