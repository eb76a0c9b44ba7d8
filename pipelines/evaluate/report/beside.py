"""Two evaluations side by side: their figures, and the queries on which the models differ."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pipelines.evaluate.report.content import (
    EvaluationContent,
    ImagePlace,
    ShownRanking,
    read_evaluation,
    shown,
)
from pipelines.evaluate.report.rankings import FigureRankings, read_rankings
from pipelines.evaluate.tasks.figure import RankedQuery
from webbody.errors import WebbodyError
from webbody.storage import Folder

#: Queries that are shown of each group.
MOST_PAIRS = 8
#: A query in both evaluations.
_Both = tuple[RankedQuery, RankedQuery]


def _gain(pair: _Both) -> float:
    """How much more of the query's person the second model finds, in average precision."""
    return pair[1].precision - pair[0].precision


#: Title, which model is right, and what comes first: where they differ most, or the worst.
_GROUPS: tuple[tuple[str, tuple[bool, bool], Callable[[_Both], float]], ...] = (
    ("Only the second is right", (False, True), lambda pair: -_gain(pair)),
    ("Only the first is right", (True, False), _gain),
    ("Both are wrong", (False, False), lambda pair: pair[0].precision + pair[1].precision),
    ("Both are right", (True, True), lambda pair: -abs(_gain(pair))),
)


@dataclass(frozen=True)
class MetricPair:
    """A metric of both models in percent; None where it is not defined."""

    dataset: str
    figure: str
    metric: str
    first: float | None
    second: float | None

    @property
    def difference(self) -> float | None:
        """The second less the first."""
        if self.first is None or self.second is None:
            return None
        return self.second - self.first


@dataclass(frozen=True)
class RankingPair:
    """A query that both models ranked."""

    query: ImagePlace
    first: ShownRanking
    second: ShownRanking


@dataclass(frozen=True)
class PairGroup:
    """Queries on which the models do the same: their number, and some of them."""

    title: str
    count: int
    pairs: list[RankingPair]


@dataclass(frozen=True)
class FigurePair:
    """A figure of both evaluations; queries: those that have a match in both."""

    id: str
    title: str
    queries: int
    groups: list[PairGroup]


@dataclass(frozen=True)
class BesideContent:
    """Two evaluations of the same data sets."""

    first: EvaluationContent
    second: EvaluationContent
    rows: list[MetricPair]
    figures: list[FigurePair]


def read_beside(first: str, second: str, most: int = MOST_PAIRS) -> BesideContent:
    """What two evaluations' folders have in common.

    Raises WebbodyError where a folder holds no evaluation, or they share no figure.
    """
    contents = read_evaluation(first), read_evaluation(second)
    kept = read_rankings(Folder(first)), read_rankings(Folder(second))
    rows = _rows(*contents)
    if not rows:
        raise WebbodyError(
            f"{first} and {second} are evaluations of different data sets: evaluate both models on "
            "the same."
        )
    titles = {figure.id: figure.title for figure in contents[0].figures}
    names = {one.name: one.title for one in contents[0].sets}
    figures = []
    for number, key in enumerate(key for key in kept[0] if key in kept[1]):
        dataset, figure = key
        title = f"{names.get(dataset, dataset)}, {figure}"
        if title in titles.values():
            figures.append(_figure(f"pair-{number}", title, kept[0][key], kept[1][key], most))
    return BesideContent(*contents, rows, figures)


def _rows(first: EvaluationContent, second: EvaluationContent) -> list[MetricPair]:
    other = {(row.dataset, row.figure, row.metric): row.ours for row in second.rows}
    return [
        MetricPair(*key, row.ours, other[key])
        for row in first.rows
        if (key := (row.dataset, row.figure, row.metric)) in other
    ]


def _figure(
    name: str, title: str, first: FigureRankings, second: FigureRankings, most: int
) -> FigurePair:
    of_first: Mapping[str, RankedQuery] = {one.image: one for one in first.queries}
    both = [(of_first[other.image], other) for other in second.queries if other.image in of_first]
    groups = []
    for what, right, order in _GROUPS:
        some = [pair for pair in both if tuple(one.is_right for one in pair) == right]
        ranked = sorted((pair for pair in some if pair[0].found and pair[1].found), key=order)
        pairs = [
            RankingPair(
                ImagePlace(first.root, one.image), shown(first.root, one), shown(second.root, other)
            )
            for one, other in ranked[:most]
        ]
        groups.append(PairGroup(what, len(some), pairs))
    return FigurePair(name, title, len(both), groups)
