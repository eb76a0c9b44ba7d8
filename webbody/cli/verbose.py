"""The option --verbose of the commands that take long."""

from typing import Annotated

import click
import typer

from webbody.logs import log_to_terminal


def _show(wanted: bool) -> None:
    if wanted:
        click.get_current_context().call_on_close(log_to_terminal())


Verbose = Annotated[
    bool,
    typer.Option(
        "--verbose", callback=_show, help="Show on standard error what is logged while it runs."
    ),
]
