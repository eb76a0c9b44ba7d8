"""`webbody status`, `webbody explain` and `webbody report`."""

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from webbody.cli.printing import PlainConsole, echo
from webbody.errors import EXIT_EMPTY, EXIT_INCOMPLETE
from webbody.plain_text import plain_text

Folder = Annotated[str, typer.Argument(metavar="DIR", help="Output folder of a build.")]


def status(
    out: Folder,
    follow: Annotated[
        bool,
        typer.Option(
            "--follow",
            "-f",
            help="Show a running build as it goes on, until nobody builds any more.",
        ),
    ] = False,
    every: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            max=86_400,
            metavar="SECONDS",
            help="Between two looks of --follow (2; 30 in an object store).",
        ),
    ] = None,
) -> None:
    """The progress of a build: committed shards per stage, and outcomes of the rows so far.

    --follow may be called anywhere the folder is seen; it reads little and writes nothing.

    Exit code 0: complete. 1: not yet. 3: complete, but nothing was kept.
    """
    console = PlainConsole()
    if follow:
        from webbody.cli.follow import follow as show_progress

        why = show_progress(out, every, console)
        console.print(Text(plain_text(why)), soft_wrap=True)
    if code := _show_state(out, console):
        raise typer.Exit(code)


def _show_state(out: str, console: Console) -> int:
    """Print what is committed; the exit code."""
    from pipelines.diagnostics.ending import read_ending
    from pipelines.inspection.status import status as read_status
    from webbody.cli.tables import outcome_table, print_ending

    state = read_status(out)
    console.print(Text(plain_text(f"Build of {state.manifest}")), soft_wrap=True)
    table = Table()
    for column in ("stage", "committed", "of", "lost files"):
        table.add_column(column, justify="left" if column == "stage" else "right")
    for name, stage in state.stages.items():
        total = "?" if stage.total is None else f"{stage.total:,}"
        table.add_row(name, f"{stage.committed:,}", total, ", ".join(stage.lost[:3]))
    console.print(table)
    console.print(outcome_table(state.outcomes, state.rows))
    if state.waiting:
        console.print(Text(state.waiting), soft_wrap=True)
    if state.complete:
        ending = read_ending(out)
        print_ending(ending, console)
        return EXIT_EMPTY if ending.empty else 0
    console.print(Text(plain_text(state.how_to_finish(out))), soft_wrap=True)
    return EXIT_INCOMPLETE


def explain(
    out: Folder,
    what: Annotated[
        str, typer.Argument(metavar="URL_OR_KEY", help="A URL, or the key of a sample or a crop.")
    ],
) -> None:
    """Explain what happened to one image, stage by stage, with the deciding figures."""
    from pipelines.inspection.explain import explain as stories

    console = PlainConsole(highlight=False)
    for story in stories(out, what):
        outcome, url = plain_text(story.outcome), plain_text(story.url)
        console.print(Text.assemble((outcome, "bold"), "  ", url), soft_wrap=True)
        where = f", key {story.key}, shard {story.shard}" if story.key else ""
        called = f"under the name {story.name!r}{where}" if story.name else where.removeprefix(", ")
        console.print(Text(plain_text(called)), soft_wrap=True)
        table = Table(show_header=True)
        for column in ("stage", "item", "outcome", "figures"):
            table.add_column(column, overflow="fold")
        for step in story.steps:
            figures = ", ".join(f"{key} {_figure(value)}" for key, value in step.figures.items())
            if step.setting:
                figures += f"{', ' if figures else ''}setting {step.setting}"
            cells = (step.stage, step.item, step.outcome, figures)
            table.add_row(*(Text(plain_text(cell)) for cell in cells))
        console.print(table)


def report(
    out: Folder,
    names: Annotated[int, typer.Option(min=1, help="Names whose faces are shown.")] = 12,
    images: Annotated[int, typer.Option(min=1, help="Images shown per stage.")] = 24,
) -> None:
    """Draw contact sheets: one HTML file with samples of every stage.

    DIR may be the folder of a training, too, also while it runs: then the page shows its curves and
    what the newest validation finds.
    """
    from pipelines.inspection.report import write_report
    from pipelines.training_report.content import is_training
    from pipelines.training_report.page import write_training

    echo(write_training(out) if is_training(out) else write_report(out, names=names, images=images))


def _figure(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, list):
        return "[" + " ".join(_figure(v) for v in value) + "]"
    return str(value)
