"""`webbody verify`: whether a build, an import or a release is what it says that it is."""

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from webbody.cli.printing import PlainConsole, echo_json
from webbody.errors import EXIT_INCOMPLETE, WebbodyError
from webbody.plain_text import plain_text

if TYPE_CHECKING:
    from pipelines.verify.findings import Verified
    from pipelines.verify.repair import Repaired

_PLAIN: Any = {"soft_wrap": True, "markup": False, "highlight": False}
_SHARE = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*(%?)")


def verify(
    folder: Annotated[
        str,
        typer.Argument(metavar="DIR_OR_RELEASE", help="A build, an import, or a release; or URL."),
    ],
    sample: Annotated[
        str,
        typer.Option(
            "--sample", metavar="SHARE", help="Only so much of it, drawn at random: 1% or 0.01."
        ),
    ] = "100%",
    seed: Annotated[
        str,
        typer.Option(help="Of the sample; without it today's date, so that every day draws anew."),
    ] = "",
    repair: Annotated[
        bool,
        typer.Option("--repair", help="Of a build: make again exactly what is damaged."),
    ] = False,
    threads: Annotated[
        int, typer.Option(min=0, help="That compute digests; 0: as many as there are cores.")
    ] = 0,
    json_: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Check every file, table and figure against what the folder says of them.

    A build: the bytes of all committed files, the index, splits, boxes, people, ledgers, and that
    what was taken down is gone. A release: its checksums, columns, rows, URLs, splits, removals,
    Croissant metadata, and the figures of its card.

    Exit code 0: clean; warnings do not count. 1: something is damaged or wrong. 2: the folder holds
    nothing of the kind, or cannot be repaired.
    """
    from pipelines.verify.findings import SampleDraw
    from pipelines.verify.run import verify as run_check

    draw = SampleDraw(share_of(sample), seed or f"{datetime.now(UTC).date()}")
    console = PlainConsole()
    found = run_check(folder, draw, threads)
    done = None
    if repair and not found.clean:
        if not json_:
            _show(found, console)
        found, done = _repaired(found, console, json_)
    if json_:
        said = found.to_json() | ({"repair": vars(done)} if done else {})
        echo_json(said)
    else:
        _show(found, console)
    if not found.clean:
        raise typer.Exit(EXIT_INCOMPLETE)


def share_of(text: str) -> float:
    """A share written as 1% or 0.01; a WebbodyError where it is neither."""
    found = _SHARE.fullmatch(text.strip())
    share = float(found[1]) / (100 if found[2] else 1) if found else 0.0
    if not 0 < share <= 1:
        raise WebbodyError(f"--sample {text}: give a share such as 1% or 0.01, at most 100%.")
    return share


def _repaired(found: "Verified", console: Console, quiet: bool) -> "tuple[Verified, Repaired]":
    from pipelines.verify.repair import repair as make_again
    from webbody.cli.progress import BuildProgress

    shown = PlainConsole(stderr=True) if quiet else console
    with BuildProgress(shown) as progress:
        done, after = make_again(found, progress)
    for what, files in (
        ("repaired", done.repaired),
        ("done again", done.redone),
        ("note", done.notes),
    ):
        for file in files:
            shown.print(plain_text(f"{what}: {file}"), **_PLAIN)
    return after, done


def _show(found: "Verified", console: Console) -> None:
    """A line for each finding, errors first, and what was looked at."""
    for one in sorted(found.findings, key=lambda one: one.severity):
        colour = "red" if one.severity == "error" else "yellow"
        console.print(
            Text.assemble((f"{one.severity}: ", colour), plain_text(one.line)), soft_wrap=True
        )
    for note in found.notes:
        console.print(f"note: {plain_text(note)}", **_PLAIN)
    part = "" if found.draw.share >= 1 else f" ({found.draw.share:.4g} of all, drawn by seed "
    part += f"{plain_text(found.draw.seed)})" if part else ""
    errors = len(found.errors)
    state = "clean" if not errors else f"{errors:,} errors"
    console.print(
        f"{plain_text(found.url)}: {found.kind}, {state}; {found.files:,} files of "
        f"{found.bytes / 1e6:,.1f} MB looked at{part}.",
        **_PLAIN,
    )
