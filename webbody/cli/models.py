"""`webbody models`: which model files there are, their licences and contracts, fetching them."""

from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from webbody.cli.printing import PlainConsole, echo
from webbody.plain_text import plain_text

app = typer.Typer(
    help="List the model files, their licences and contracts, and fetch them ahead of a run.",
    rich_markup_mode=None,
    no_args_is_help=True,
)


_WIDE = 160
#: Columns of the list, and how narrow each may become.
_COLUMNS = {
    "name": 8, "licence": 14, "permissive": 4, "family": 6, "threshold": 4, "digest": 5,
    "on this machine": 8,
}  # fmt: skip


@app.command("list")
def list_() -> None:
    """Every model file that a build can use: licence, threshold, digest, whether it is here."""
    from webbody import models
    from webbody.model_table import SUFFIXES

    console = PlainConsole()
    if not console.is_terminal:  # a file or another program: nothing is gained by narrow columns
        console = PlainConsole(width=_WIDE)
    rows = models.available()
    for backend in SUFFIXES:
        if not any(row["backend"] == backend for row in rows):
            continue
        table = Table(title=backend, title_justify="left")
        for column, least in _COLUMNS.items():
            table.add_column(column, overflow="fold", min_width=least)
        for row in rows:
            if row["backend"] == backend:
                host = row["source"].split("/")[2] if "://" in row["source"] else row["source"]
                table.add_row(
                    row["name"],
                    row["licence"],
                    "yes" if row["permissive"] else "no",
                    row["family"],
                    "" if row["threshold"] is None else f"{row['threshold']:g}",
                    row["digest"],
                    Text(plain_text(row["path"] or f"no, from {host}")),
                )
        console.print(table)
    console.print(
        "A path can stand in place of a name. `webbody models show NAME` says what a model was "
        "trained to see and what its scores mean; docs/licences.md what the licences mean."
    )


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(help="A name of `models list`, or a family's.")],
) -> None:
    """A model's input, the meaning of its scores, and the sources of these facts."""
    from webbody import models

    for title, facts in models.described(name).items():
        echo(title)
        for key, value in facts.items():
            echo(f"  {key + ':':<11} {value}")


@app.command("fetch")
def fetch(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Names of `models list`; none: those of the defaults."),
    ] = None,
) -> None:
    """Download model files into their libraries' caches, for use without a network."""
    from webbody import models
    from webbody.config import BuildConfig

    config = BuildConfig()
    default = [
        config.persons.model, config.faces.detector, config.faces.embedder, config.keypoints.model,
    ]  # fmt: skip
    for path in models.fetch(names or default):
        echo(path)
