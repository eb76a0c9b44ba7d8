"""The evaluation as one HTML page: figures, curves, ranked galleries, failures."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

from pipelines.evaluate.report.pictures import read_pictures
from pipelines.evaluate.report.plot import plot
from pipelines.evaluate.report.tables import MetricRow, percent, rows
from pipelines.evaluate.run import Evaluated
from pipelines.evaluate.tasks.figure import Curve, RankedQuery, TaskResult
from pipelines.evaluate.tasks.retrieval import Retrieval
from pipelines.inspection.report.drawing import Drawing, EmbeddedImages, decoded
from pipelines.inspection.report.template import load_template

#: Longer side of a thumbnail in pixels, and the characters that those of a figure may take.
_SIDE, _SHARE = 160, 700_000


@dataclass(frozen=True)
class RankedThumbnail:
    """An image: its name, its picture as a data URI (None: unreadable, or no room), its cosine."""

    name: str
    picture: str | None
    cosine: float | None = None
    match: bool = False


@dataclass(frozen=True)
class RankingExample:
    """A query and the first images of its ranking."""

    query: RankedThumbnail
    precision: float
    found: list[RankedThumbnail]


@dataclass(frozen=True)
class ResultSection:
    """A figure of a data set; `plot` is an SVG element."""

    id: str
    title: str
    figure: TaskResult
    plot: str | None
    groups: list[tuple[str, list[RankingExample]]]


def page(found: Sequence[Evaluated]) -> str:
    """The page as text; it is self-contained."""
    sections = [
        _section(f"{one.name}-{number}", one, figure)
        for one in found
        for number, figure in enumerate(one.figures)
    ]
    table: list[MetricRow] = rows(found)
    template = load_template("evaluation.html", percent=percent)
    return template.render(found=found, rows=table, sections=sections)


def _section(name: str, one: Evaluated, figure: TaskResult) -> ResultSection:
    embedded = EmbeddedImages(_SHARE)
    shown = {"Queries from the best to the worst": figure.ranked, "The worst": figure.failures}
    root = one.task.root if isinstance(one.task, Retrieval) else ""
    images = {
        image
        for ranking in (*figure.ranked, *figure.failures)
        for image in (ranking.image, *(found.image for found in ranking.found))
    }
    pictures = read_pictures(root, sorted(images))
    groups = [
        (title, [_ranking(ranking, pictures, embedded) for ranking in rankings])
        for title, rankings in shown.items()
        if rankings
    ]
    return ResultSection(
        name, f"{one.title}, {figure.name}", figure, _plotted(figure.curve), groups
    )


def _plotted(curve: Curve | None) -> str | None:
    return None if curve is None else plot(curve)


def _ranking(
    ranking: RankedQuery, pictures: dict[str, bytes], embedded: EmbeddedImages
) -> RankingExample:
    def thumb(image: str, cosine: float | None = None, match: bool = False) -> RankedThumbnail:
        rgb = decoded(pictures.get(image))
        picture = None if rgb is None else embedded.add(Drawing(rgb, _SIDE))
        return RankedThumbnail(PurePath(image).name, picture, cosine, match)

    found = [thumb(one.image, one.cosine, one.match) for one in ranking.found]
    return RankingExample(thumb(ranking.image), ranking.precision, found)
