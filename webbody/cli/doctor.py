"""`webbody doctor`: whether this machine is ready for a build."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from webbody.cli.printing import echo
from webbody.config import load
from webbody.errors import EXIT_INCOMPLETE
from webbody.plain_text import plain_text

_COLOURS = {"ok": "green", "warning": "yellow", "problem": "red", "skipped": None}


def doctor(
    manifest: Annotated[
        list[str] | None,
        typer.Option("--manifest", "-m", help="URL list: its size, and its hosts' names."),
    ] = None,
    out: Annotated[str, typer.Option("--out", "-o", help="Output folder of the build.")] = "",
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="YAML file with settings of the build.")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", "-s", metavar="KEY=VALUE", help="One setting of the build."),
    ] = None,
    ray: Annotated[bool, typer.Option(help="Also start Ray, or join the one that is set.")] = True,
) -> None:
    """Check this machine before a build: libraries, models, disk, memory, GPU, network, Ray.

    Nothing is fetched or sent, except that with --manifest names of its hosts are looked up, and
    one of them is asked over HTTPS. Each line says what was found and, where something is wrong,
    what to do. Exit code 0: nothing stands in the way. 1: a problem does.
    """
    from webbody.doctor.checkup import checkup
    from webbody.doctor.diagnosis import PROBLEM, WARNING

    settings = load(config, set_ or ())
    for key, value in (("manifest", manifest), ("out", out)):
        if value:
            setattr(settings, key, value)
    states: Counter[str] = Counter()
    for line in checkup(settings, ray):
        states[line.state] += 1
        echo(f"{line.state:<8}", fg=_COLOURS[line.state], nl=False)
        echo(f" {line.subject}: {plain_text(line.found)}")
        if line.advice:
            echo(f"{'':9}-> {plain_text(line.advice)}")
    echo(f"{states[PROBLEM]} problems, {states[WARNING]} warnings.")
    if states[PROBLEM]:
        raise typer.Exit(EXIT_INCOMPLETE)
