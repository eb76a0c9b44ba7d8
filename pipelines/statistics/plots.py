"""Figures drawn as bars: of one data set, or of two beside each other."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipelines.inspection.paper import PAPER, PARTS, left_and_right
from webbody.storage_errors import write_errors

_PAPER = {part: sum(values) / 2 for part, values in PAPER.items()}
#: A class of sizes or numbers, such as 5-9 or 200+.
_CLASS = re.compile(r"\d+(-\d+|\+)?")
_COLOURS = ("#2f6f9f", "#e08a2e", "#8a8f98")
#: A file's name, its title, and where its figures stand.
_CLASSES = (
    ("images-a-person", "People by images", ("samples", "images_a_person", "people")),
    ("person-height", "Samples by height of the person, pixels",
     ("samples", "person_height", "samples")),
    ("crop-side", "Samples by longer side of the crop, pixels", ("body", "crop_side", "samples")),
    ("face-side", "Samples by shorter side of the face, pixels",
     ("build", "face_side", "samples")),
    ("scale", "Samples by height of the person, % of the picture", ("body", "scale", "samples")),
    ("framing", "What samples show", ("body", "framing")),
    ("view", "Eyes that are seen", ("body", "view")),
    ("domains", "Domains with most samples", ("top_domains",)),
    ("funnel", "What became of the rows", ("build", "outcomes")),
)  # fmt: skip


def draw(figures: Sequence[Mapping[str, Any]], names: Sequence[str], folder: str) -> list[str]:
    """Draw everything that one of the data sets has into PNG files of a folder; their names.

    names: the data sets' folders; of each the last part is drawn.
    """
    names = [name.rstrip("/").rpartition("/")[2] for name in names]
    written = []
    with write_errors(folder):
        Path(folder).mkdir(parents=True, exist_ok=True)
        for name, title, series in _charts(figures):
            file = f"{name}.png"
            _bars(title, series, names, Path(folder) / file)
            written.append(file)
    return written


def _charts(
    figures: Sequence[Mapping[str, Any]],
) -> Iterator[tuple[str, str, list[Mapping[str, float]]]]:
    for name, title, path in _CLASSES:
        series = [_at(one, path) for one in figures]
        if any(series):
            yield name, title, series
    seen = [_visible(_at(one, ("samples", "visible"))) for one in figures]
    yield "visibility", "Keypoints that are seen, %", [*seen, _PAPER]


def _at(figures: Mapping[str, Any], path: Sequence[str]) -> Mapping[str, float]:
    value: Any = figures
    for name in path:
        value = value.get(name) or {}
    found: Mapping[str, float] = value
    return found


def _visible(shares: Mapping[str, float]) -> dict[str, float]:
    """In per cent, mean of left and right."""
    return {part: sum(left_and_right(shares, part)) / 2 for part in PARTS}


def _bars(
    title: str, series: Sequence[Mapping[str, float]], names: Sequence[str], path: Path
) -> None:
    """A group of horizontal bars for each class."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    labels = list(dict.fromkeys(label for one in series for label in one))
    if all(_CLASS.fullmatch(label) for label in labels):
        labels.sort(key=lambda label: int(label.split("-")[0].rstrip("+")))
    figure = Figure(figsize=(8, 1.2 + 0.32 * len(labels)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    height = 0.8 / len(series)
    for number, one in enumerate(series):
        label = names[number] if number < len(names) else "paper"
        places = [place + (number - (len(series) - 1) / 2) * height for place in range(len(labels))]
        axes.barh(places, [one.get(name, 0) for name in labels], height,
                  color=_COLOURS[min(number, 2)], label=_plain(label))  # fmt: skip
    axes.set_yticks(range(len(labels)), [_plain(label) for label in labels])
    axes.invert_yaxis()
    axes.set_title(title, loc="left", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    if len(series) > 1:
        axes.legend(fontsize=8, frameon=False)
    figure.savefig(path, format="png", dpi=120, metadata={"Software": None})


def _plain(text: str) -> str:
    """A label that matplotlib does not take for mathematics."""
    return text.replace("$", r"\$")
