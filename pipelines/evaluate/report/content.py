"""What the pages of an evaluation show: read from its folder, without pictures and HTML."""

from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import numpy as np

from pipelines.evaluate.report.rankings import FigureRankings, read_rankings
from pipelines.evaluate.report.tables import MetricRow
from pipelines.evaluate.tasks.figure import Curve, RankedQuery
from webbody.errors import WebbodyError
from webbody.json_text import parse_json
from webbody.storage import Folder

FIGURES = "evaluation.json"
#: Failures, and queries from the best to the worst, that a page shows of each figure.
MOST_FAILURES, MOST_EXAMPLES = 12, 6


@dataclass(frozen=True)
class ImagePlace:
    """Where the picture of an image is: in the folder `root`, or without it as `SHARD/KEY`."""

    root: str
    image: str

    @property
    def name(self) -> str:
        return PurePath(self.image).name


@dataclass(frozen=True)
class ShownImage:
    """An image of a ranking."""

    place: ImagePlace
    cosine: float
    match: bool


@dataclass(frozen=True)
class ShownRanking:
    """A query and the first images of its ranking."""

    query: ImagePlace
    precision: float
    first_match: int
    found: list[ShownImage]


@dataclass(frozen=True)
class RankingGroup:
    """Rankings under a title; `lead` says which they are."""

    title: str
    lead: str
    rankings: list[ShownRanking]


@dataclass(frozen=True)
class FigureContent:
    """A figure of a data set; metrics are fractions, None where they are not defined."""

    id: str
    title: str
    metrics: dict[str, float | None]
    counts: dict[str, int]
    notes: list[str]
    curve: Curve | None
    groups: list[RankingGroup]


@dataclass(frozen=True)
class EvaluatedSet:
    """A data set of an evaluation; model: what its features are of."""

    name: str
    title: str
    path: str
    model: str


@dataclass(frozen=True)
class EvaluationContent:
    """An evaluation: its data sets, the table beside the paper, and each figure."""

    sets: list[EvaluatedSet]
    rows: list[MetricRow]
    figures: list[FigureContent]


def read_evaluation(
    out: str, failures: int = MOST_FAILURES, examples: int = MOST_EXAMPLES
) -> EvaluationContent:
    """The content of an evaluation's folder (`webbody evaluate --out`).

    Args:
        out: Its path or URL.
        failures: Most queries shown whose most similar image is of somebody else.
        examples: Queries shown from the best to the worst.

    Raises:
        WebbodyError: The folder holds no evaluation, or none that can be read.
    """
    told, rankings = read_figures(out), read_rankings(Folder(out))
    try:
        sets, figures = [], []
        for one in told["data_sets"]:
            name, title = str(one["name"]), str(one["title"])
            sets.append(EvaluatedSet(name, title, str(one["path"]), str(one["features"])))
            for number, figure in enumerate(one["figures"]):
                kept = rankings.get((name, figure["name"]), FigureRankings("", []))
                figures.append(
                    FigureContent(
                        f"{name}-{number}",
                        f"{title}, {figure['name']}",
                        dict(figure["metrics"]),
                        dict(figure["counts"]),
                        list(figure["notes"]),
                        _curve(figure.get("curve")),
                        _groups(kept, failures, examples),
                    )
                )
        rows = [
            MetricRow(**{name: v for name, v in row.items() if name != "difference"})
            for row in told["table"]
        ]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _not_read(out) from error
    return EvaluationContent(sets, rows, figures)


def read_figures(out: str) -> dict[str, Any]:
    """`evaluation.json` of a folder; WebbodyError where there is none."""
    try:
        told = parse_json(Folder(out).read(FIGURES))
        if not isinstance(told["data_sets"], list):
            raise TypeError
        return dict(told)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise WebbodyError(
            f"{out} holds no evaluation; make one with `webbody evaluate --out {out}`."
        ) from error
    except (KeyError, TypeError, ValueError) as error:
        raise _not_read(out) from error


def shown(root: str, query: RankedQuery) -> ShownRanking:
    """A query's ranking with the places of its pictures."""
    return ShownRanking(
        ImagePlace(root, query.image),
        query.precision,
        query.first_match,
        [ShownImage(ImagePlace(root, one.image), one.cosine, one.match) for one in query.found],
    )


def _groups(rankings: FigureRankings, failures: int, examples: int) -> list[RankingGroup]:
    """The failures, the worst first; then queries from the best to the worst, evenly."""
    known = sorted(
        (one for one in rankings.queries if one.found), key=lambda one: (one.precision, one.image)
    )
    wrong = [one for one in known if not one.is_right]
    count = sum(not one.is_right for one in rankings.queries)
    even = np.linspace(len(known) - 1, 0, min(examples, len(known))).round().astype(int)
    groups = [
        RankingGroup(
            f"Failures: {count:,} of {len(rankings.queries):,} queries",
            "The most similar image shows somebody else. By average precision, the worst first.",
            [shown(rankings.root, one) for one in wrong[:failures]],
        ),
        RankingGroup(
            "From the best query to the worst",
            "Evenly spread by average precision over the queries whose rankings are kept.",
            [shown(rankings.root, known[place]) for place in even],
        ),
    ]
    return [group for group in groups if group.rankings]


def _curve(told: Any) -> Curve | None:
    if told is None:
        return None
    x, y = np.array(told["x"], float), np.array(told["y"], float)
    if x.shape != y.shape or x.ndim != 1 or not len(x) or told["kind"] not in ("CMC", "ROC"):
        raise ValueError("a curve that is none")
    return Curve(told["kind"], x, y)


def _not_read(out: str) -> WebbodyError:
    return WebbodyError(f"{out}/{FIGURES}: is no evaluation that can be read; evaluate again.")
