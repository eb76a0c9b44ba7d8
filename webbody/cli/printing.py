"""Printing by the commands; nothing in this folder prints in another way.

Untrusted text cannot control the terminal or act as markup, and secrets in addresses are hidden.
"""

import json
from collections.abc import Iterable
from typing import Any

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.status import Status
from rich.text import Text

from webbody.plain_text import plain_lines
from webbody.redaction import redacted, redacted_json


def echo(
    text: object,
    *,
    err: bool = False,
    fg: str | None = None,
    bold: bool = False,
    nl: bool = True,
) -> None:
    """Print lines, on standard error where `err`; fg: a colour for a terminal."""
    typer.secho(plain_lines(str(text)), err=err, fg=fg, bold=bold, nl=nl)


def echo_json(values: Any) -> None:
    """Print JSON of ASCII characters alone, so that no text in it can steer the terminal."""
    typer.echo(json.dumps(redacted_json(values), indent=1))


class PlainConsole(Console):
    """A console of rich that takes texts as they are; colours come by `Text` and styles."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"markup": False, "emoji": False, "highlight": False, **options})

    def status(self, status: RenderableType, **options: Any) -> Status:
        """A line that changes; rich would take a str for markup."""
        return super().status(
            Text(redacted(status)) if isinstance(status, str) else status, **options
        )

    def render_str(self, text: str, **options: Any) -> Text:
        """A text given as str."""
        return super().render_str(redacted(text), **options)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """What is shown, without control characters; styles and moves of rich's own stay."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else plain_lines(text), style, control)
