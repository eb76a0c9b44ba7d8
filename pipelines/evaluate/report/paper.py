"""The figures of the paper (Kim et al., SapiensID, CVPR 2025): of SapiensID and of other methods.

`paper.csv` has a row for each cell of Tables 1 to 4, 7, 14, 15 (probes of faces) and B.12: table,
method, what it was trained on, data set, figure and metric as we call them, and percent. What both
Table 14 and B.12 print is there once.
"""

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

_OURS = "SapiensID"


@dataclass(frozen=True)
class Printed:
    """A cell of the paper, in percent."""

    table: str
    method: str
    training: str
    percent: float


@dataclass(frozen=True)
class Paper:
    """What the paper has for a figure: SapiensID, and the best of the other methods."""

    sapiensid: Printed | None
    best_other: Printed | None


def paper(dataset: str, figure: str, metric: str) -> Paper:
    """The paper's cells for a figure of a data set; None where it prints nothing."""
    cells = _cells().get((dataset, figure, metric), [])
    own = next((cell for cell in cells if cell.method == _OURS), None)
    others = [cell for cell in cells if cell.method != _OURS]
    return Paper(own, max(others, key=lambda cell: cell.percent, default=None))


@cache
def _cells() -> dict[tuple[str, str, str], list[Printed]]:
    out: dict[tuple[str, str, str], list[Printed]] = {}
    text = files("pipelines.evaluate.report").joinpath("paper.csv").read_text("utf-8")
    for row in csv.DictReader(text.splitlines()):
        cell = Printed(row["table"], row["method"], row["training"], float(row["percent"]))
        out.setdefault((row["dataset"], row["figure"], row["metric"]), []).append(cell)
    return out


def _both(dataset: str, figure: str) -> list[tuple[str, str, str]]:
    return [(dataset, figure, metric) for metric in ("top1", "mAP")]


#: The averages of the paper and their cells (Tables 1 and 5).
AVERAGES = {
    "short-term": [
        *_both("ltcc", "general"), *_both("prcc", "same clothes"), *_both("ccvid", "general"),
        *_both("market1501", "general"), *_both("msmt17", "general"),
    ],
    "long-term": [
        *_both("ltcc", "cloth-changing"), *_both("prcc", "cloth-changing"),
        *_both("ccvid", "cloth-changing"), *_both("ccda", "general"),
        *_both("celebreid", "general"),
    ],
    # Without LFW, as in Table 5.
    "face": [
        (dataset, "verification", "accuracy")
        for dataset in ("cplfw", "cfp_fp", "calfw", "agedb_30")
    ],
}  # fmt: skip


def paper_average(name: str) -> Paper:
    """The paper's figures for one of AVERAGES: means of its cells."""
    of_method: dict[tuple[str, str], list[Printed]] = {}
    for key in AVERAGES[name]:
        for cell in _cells()[key]:
            of_method.setdefault((cell.method, cell.training), []).append(cell)
    whole = len(AVERAGES[name])
    means = [
        Printed(cells[0].table, *of, percent=sum(cell.percent for cell in cells) / whole)
        for of, cells in of_method.items()
        if len(cells) == whole
    ]
    own = next(mean for mean in means if mean.method == _OURS)
    others = [mean for mean in means if mean.method != _OURS]
    return Paper(own, max(others, key=lambda mean: mean.percent, default=None))
