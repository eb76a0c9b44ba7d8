"""The pages of an evaluation as HTML, of what `content` and `beside` read from its folder.

Whoever renders says what the address of a picture is: a static page has pictures in it, a server
has them behind addresses of its own.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable

from pipelines.evaluate.report.beside import BesideContent
from pipelines.evaluate.report.content import EvaluationContent, ImagePlace, ShownRanking
from pipelines.evaluate.report.pictures import read_pictures
from pipelines.evaluate.report.plot import plot
from pipelines.evaluate.report.tables import percent
from pipelines.inspection.report.drawing import Drawing, data_uri, decoded
from pipelines.inspection.report.template import load_template

#: The address of an image's picture; None where there is none to show.
Source = Callable[[ImagePlace], str | None]
#: Longer side of a thumbnail in pixels, and the characters that those of a figure may take.
_SIDE, _SHARE = 160, 2_400_000


def page(content: EvaluationContent, source: Source) -> str:
    """The page of an evaluation."""
    template = load_template("evaluation.html", percent=percent)
    plots = {one.id: plot(one.curve) for one in content.figures if one.curve is not None}
    return template.render(content=content, plots=plots, source=source)


def beside_page(content: BesideContent, source: Source) -> str:
    """The page of two evaluations side by side."""
    return load_template("beside.html", percent=percent).render(content=content, source=source)


def rankings_of(content: EvaluationContent | BesideContent) -> list[list[ShownRanking]]:
    """The rankings that a page shows, of each figure."""
    if isinstance(content, EvaluationContent):
        return [[one for group in f.groups for one in group.rankings] for f in content.figures]
    return [
        [one for group in f.groups for pair in group.pairs for one in (pair.first, pair.second)]
        for f in content.figures
    ]


def embedded(figures: Iterable[list[ShownRanking]]) -> Source:
    """The pictures of these rankings as data URIs, as many as a page holds."""
    found: dict[ImagePlace, str] = {}
    for rankings in figures:
        left = _SHARE
        times: dict[str, Counter[ImagePlace]] = defaultdict(Counter)
        for one in rankings:
            for place in (one.query, *(image.place for image in one.found)):
                times[place.root][place] += 1
        for root, some in times.items():
            pictures = read_pictures(root, sorted({place.image for place in some}))
            for place, count in some.items():
                rgb = decoded(pictures.get(place.image))
                if rgb is None:
                    continue
                uri = data_uri(Drawing(rgb, _SIDE))
                left -= count * len(uri)
                if left >= 0:
                    found[place] = uri
    return found.get
