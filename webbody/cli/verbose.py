"""The option --verbose of the commands that take long."""

from typing import Annotated

import typer

from webbody.logs import log_to_terminal


def _show(context: typer.Context, show: bool) -> None:
    if show:
        context.call_on_close(log_to_terminal())


Verbose = Annotated[
    bool,
    typer.Option(
        "--verbose", callback=_show, help="Show on standard error what is logged while it runs."
    ),
]
