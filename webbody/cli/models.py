"""`webbody models`: which model files there are, their licences, fetching them ahead of a run."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

app = typer.Typer(help="List the model files, their licences, and fetch them ahead of a run.")


@app.command("list")
def list_() -> None:
    """Every model file that a build can use: licence, and whether it is on this machine."""
    from webbody import models

    table = Table()
    for column in ("name", "backend", "licence", "where"):
        table.add_column(column, overflow="fold")
    for row in models.available():
        table.add_row(row.name, row.backend, row.licence, row.where)
    Console().print(table)


@app.command("fetch")
def fetch(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Names of `models list`; none: those of the defaults."),
    ] = None,
) -> None:
    """Download model files into their libraries' caches, for machines that will be offline."""
    from webbody import models

    for path in models.fetch(names or []):
        typer.echo(path)
