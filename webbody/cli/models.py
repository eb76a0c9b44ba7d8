"""`webbody models`: which model files there are, their licences, fetching them ahead of a run."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

app = typer.Typer(
    help="List the model files, their licences, and fetch them ahead of a run.",
    rich_markup_mode=None,
    no_args_is_help=True,
)


@app.command("list")
def list_() -> None:
    """Every model file that a build can use: licence, and whether it is on this machine."""
    from webbody import models

    table = Table()
    for column in ("name", "backend", "licence", "on this machine"):
        table.add_column(column, overflow="fold")
    for row in models.available():
        host = row["source"].split("/")[2] if "://" in row["source"] else row["source"]
        where = row["path"] or f"no, from {host}"
        table.add_row(row["name"], row["backend"], row["licence"], where)
    console = Console()
    console.print(table)
    console.print(
        "A path can stand in place of a name. docs/licences.md says what the licences mean."
    )


@app.command("fetch")
def fetch(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Names of `models list`; none: those of the defaults."),
    ] = None,
) -> None:
    """Download model files into their libraries' caches, for machines that will be offline."""
    from webbody import models
    from webbody.config import BuildConfig

    config = BuildConfig()
    default = [
        config.persons.model, config.faces.detector, config.faces.embedder, config.keypoints.model,
    ]  # fmt: skip
    for path in models.fetch(names or default):
        typer.echo(path)
