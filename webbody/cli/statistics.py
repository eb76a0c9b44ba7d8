"""`webbody stats` and `webbody diff`."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from webbody.cli.printing import PlainConsole, echo, echo_json
from webbody.plain_text import plain_text

Plots = Annotated[
    str, typer.Option("--plots", metavar="FOLDER", help="Draw the figures there, too, as PNG.")
]
Json = Annotated[bool, typer.Option("--json", help="Print it as JSON.")]
_SOURCE = "A complete build, or a release: a folder or a URL."


def stats(
    folder: Annotated[str, typer.Argument(metavar="DIR_OR_RELEASE", help=_SOURCE)],
    json_: Json = False,
    plots: Plots = "",
) -> None:
    """Show numbers of people and images, what they show, and their domains."""
    from pipelines.statistics.compare import statistics

    found = statistics(folder)
    if json_:
        _print_json(found)
    else:
        _show(found, PlainConsole())
    _draw([found], [folder], plots, json_)


def diff(
    a: Annotated[str, typer.Argument(metavar="A", help=_SOURCE)],
    b: Annotated[str, typer.Argument(metavar="B", help=_SOURCE)],
    json_: Json = False,
    plots: Plots = "",
) -> None:
    """Compare two builds or releases; samples are matched by key, people by samples."""
    from pipelines.statistics.compare import difference

    found = difference(a, b)
    if json_:
        _print_json(found)
    else:
        _show_difference(found, PlainConsole())
    _draw([found["a"], found["b"]], [a, b], plots, json_)


def _print_json(found: Mapping[str, Any]) -> None:
    echo_json(found)


def _draw(found: list[dict[str, Any]], names: list[str], plots: str, quiet: bool) -> None:
    if plots:
        from pipelines.statistics.plots import draw

        files = draw(found, names, plots)
        echo(plain_text(f"Drawn in {plots}: {', '.join(files)}."), err=quiet)


def _show(found: Mapping[str, Any], console: Console) -> None:
    """A table for each kind of figure."""
    from pipelines.inspection.paper import PAPER, PARTS, left_and_right

    samples, body = found["samples"], found["body"]
    build = found.get("build", {})
    splits = [(name, one["samples"], one["people"]) for name, one in samples["splits"].items()] + [
        ("all", samples["samples"], samples["people"])
    ]
    _table(console, "Samples and people", ("split", "samples", "people"), splits)
    images = samples["images_a_person"]
    middle = f"mean {images['mean']}, median {images['median']:g}, most {images['most']}"
    _counts(console, f"Images a person: {middle}", "images", "people", images["people"])
    sizes = {
        "person's height": samples["person_height"],
        "crop's longer side": body["crop_side"],
        **({"face's shorter side": build["face_side"]} if "face_side" in build else {}),
    }
    names = sorted({n for one in sizes.values() for n in one["samples"]}, key=_lower_end)
    rows: list[tuple[Any, ...]] = [
        (name, *(one["samples"].get(name, 0) for one in sizes.values())) for name in names
    ]
    rows.append(("median", *(f"{one['median']:g}" for one in sizes.values())))
    _table(console, "Samples by size", ("pixels", *sizes), rows)
    _counts(console, "What samples show", "", "samples", body["framing"])
    _counts(console, "Eyes that are seen", "", "samples", body["view"])
    title = "Height of the person, % of the picture's"
    _counts(console, title, "%", "samples", body["scale"]["samples"])
    rows = []
    for part in PARTS:
        left, right = left_and_right(samples["visible"], part)
        paper = [f"{value:.2f}" for value in PAPER.get(part, ())] or ["–", "–"]
        rows.append((part, f"{left:.2f}", f"{right:.2f}", *paper))
    columns = ("keypoint", "left", "right", "paper, left", "paper, right")
    _table(console, "Keypoints that are seen, %", columns, rows)
    title = f"Domains with most samples, of {samples['domains']:,}"
    _counts(console, title, "domain", "samples", found["top_domains"])
    if build:
        title = f"What became of {build['rows']:,} rows"
        _counts(console, title, "outcome", "rows", build["outcomes"])


def _show_difference(found: Mapping[str, Any], console: Console) -> None:
    for what in ("samples", "people"):
        rows = list(found["matched"][what].items())
        _table(console, f"{what.capitalize()} of both", ("", what), rows)
    for key, title in (("figures", "Figures that differ"), ("domains", "Domains that differ")):
        rows = [
            (name, f"{one['a']:,.10g}", f"{one['b']:,.10g}", f"{one['difference']:+,.10g}")
            for name, one in found[key].items()
        ]
        if rows:
            _table(console, title, ("", "A", "B", "B - A"), rows)
    if not found["figures"]:
        console.print("All figures are equal.")
    if found["settings"]:
        rows = [(name, one["a"], one["b"]) for name, one in found["settings"].items()]
        _table(console, "Settings that differ", ("", "A", "B"), rows)


def _counts(console: Console, title: str, of: str, what: str, counts: Mapping[str, int]) -> None:
    """Counts by class with their shares."""
    total = sum(counts.values())
    rows = [(name, n, f"{n / max(total, 1):.1%}") for name, n in counts.items()]
    _table(console, title, (of, what, ""), rows)


def _table(
    console: Console, title: str, columns: Iterable[str], rows: Iterable[tuple[Any, ...]]
) -> None:
    table = Table(title=title, title_justify="left")
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left")
    for row in rows:
        cells = (f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row)
        table.add_row(*(Text(plain_text(cell)) for cell in cells))
    console.print(table)


def _lower_end(name: str) -> int:
    return int(name.split("-")[0].rstrip("+"))
