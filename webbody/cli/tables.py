"""What the commands print about a build: the funnel, the stages, an estimate."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from webbody.plain_text import counted, plain_text

if TYPE_CHECKING:
    from pipelines.build_result import BuildResult
    from pipelines.diagnostics.ending import Ending
    from pipelines.inspection.estimate import BuildEstimate

#: What the first part of an outcome means to somebody who sees it for the first time.
MEANINGS = {
    "kept": "a sample in the shards",
    "manifest": "the row itself: missing, malformed or twice",
    "download": "not fetched, or refused by our guards or an opt-out",
    "image": "fetched, but no usable image",
    "person": "no person found, or too small",
    "quality": "a photo of nobody certain and large, with text over it, or drawn",
    "face": "no face found to tell who it is",
    "flag": "its picture is not good enough",
    "custom": "dropped by a filter of your own",
    "cluster": "not among the faces that agree for this name",
    "identity": "dropped when names were compared with each other",
    "release": "another picture than was published",
    "takedown": "removed on request",
    "incomplete": "in a shard that failed; run the build again",
}


def print_result(result: "BuildResult", ending: "Ending | None", console: Console) -> None:
    """The closing tables of a build, what became of every row and seconds per stage, and its end.

    `ending` is None where shards failed, as then the end is still open.
    """
    if not result.complete or result.ran:
        console.print(outcome_table(result.outcomes, result.rows))
        console.print(_stage_table(result.stages))
    if ending is None:
        _print_failures(result, console)
        return
    print_ending(ending, console)
    _print_passing(result.outcomes, console)
    if ending.empty:
        console.print(
            f"{result.out}/pack is empty. Once the cause is fixed, the same command does again "
            "what the change touches.",
            **_PLAIN,
        )
    elif result.ran:
        of_people = f" of {ending.people:,} people" if ending.people else ""
        console.print(
            f"Complete: {result.out}/pack holds {ending.samples:,} samples{of_people} in "
            "WebDataset shards.",
            **_PLAIN,
        )
    else:
        console.print(
            f"Nothing to do: {result.out} is complete and up to date "
            f"({ending.kept:,} of {result.rows:,} rows kept).",
            **_PLAIN,
        )


#: Text that may hold names of files and what strangers wrote: as it is, in one line.
_PLAIN: Any = {"soft_wrap": True, "markup": False, "highlight": False}


def _print_passing(outcomes: Mapping[str, int], console: Console) -> None:
    """Print how many rows failed temporarily, and how to retry them."""
    from pipelines.fetching.retry import is_passing

    passing = {outcome: count for outcome, count in outcomes.items() if is_passing(outcome)}
    if passing:
        text = ", ".join(f"{count:,} {name.partition(':')[2]}" for name, count in passing.items())
        console.print(
            f"{sum(passing.values()):,} rows failed in passing ({text}): the same command with "
            "--retry passing asks these again, and nothing else.",
            **_PLAIN,
        )


def print_ending(ending: "Ending", console: Console) -> None:
    """Print the reported losses, and settings to look at; nothing if enough was kept."""
    from pipelines.diagnostics.sentences import sentences

    colour = "red" if ending.empty else "yellow"
    for number, line in enumerate(sentences(ending)):
        console.print(Text(plain_text(line), style=colour if number == 0 else ""), soft_wrap=True)


def _print_failures(result: "BuildResult", console: Console) -> None:
    console.print(
        Text.assemble(
            ("Incomplete:", "red"),
            f" {counted(len(result.failures), 'shard')} failed; what is committed is kept. Run the "
            "same command again to retry, or with --partial to go on without them.",
        ),
        soft_wrap=True,
    )
    for failure in result.failures[:10]:
        first = failure.message.splitlines()[0] if failure.message else ""
        line = f"  {failure.stage}/{failure.shard}: {first}"
        console.print(Text(plain_text(line)), soft_wrap=True)
    if len(result.failures) > 10:
        more = len(result.failures) - 10
        console.print(f"  and {more} more; see `webbody status {result.out}`", **_PLAIN)


def _stage_table(totals_of: Mapping[str, Any]) -> Table:
    stages = Table(title="Stages", title_justify="left")
    for column in ("stage", "shards", "in", "out", "worker seconds", "in / s"):
        stages.add_column(column, justify="left" if column == "stage" else "right")
    for name, totals in totals_of.items():
        rate = f"{totals.items_in / totals.seconds:,.1f}" if totals.seconds > 0 else ""
        stages.add_row(
            name,
            f"{totals.shards:,}",
            f"{totals.items_in:,}",
            f"{totals.items_out:,}",
            f"{totals.seconds:,.1f}",
            rate,
        )
    return stages


def outcome_table(outcomes: Mapping[str, int], rows: int) -> Table:
    """Every outcome with its count and share, `kept` first, then in the order of the stages."""
    table = Table(title=f"What became of {rows:,} manifest rows", title_justify="left")
    table.add_column("outcome")
    table.add_column("rows", justify="right")
    table.add_column("share", justify="right")
    table.add_column("meaning", style="dim")
    order = list(MEANINGS)

    def position(item: tuple[str, int]) -> tuple[int, int]:
        group = item[0].split(":")[0]
        return (order.index(group) if group in order else len(order), -item[1])

    seen: set[str] = set()
    for outcome, count in sorted(outcomes.items(), key=position):
        group = outcome.split(":")[0]
        meaning = "" if group in seen else MEANINGS.get(group, "")
        seen.add(group)
        shown = Text(plain_text(outcome))  # a gallery's name is part of it
        table.add_row(shown, f"{count:,}", f"{count / max(rows, 1):.1%}", meaning)
    table.add_section()
    table.add_row("sum", f"{sum(outcomes.values()):,}", "", "")
    return table


def print_estimate(estimate: "BuildEstimate", console: Console) -> None:
    """The dry run of `webbody build --plan`."""
    console.print(outcome_table(estimate.rejected | {"accepted": estimate.accepted}, estimate.rows))
    console.print(
        f"{estimate.names:,} {estimate.grouped_by} in {estimate.shards:,} shards of "
        f"{estimate.accepted / max(estimate.shards, 1):,.0f} rows on average."
    )
    table = Table(title="Estimate", title_justify="left")
    for column in ("stage", "shards to do", "worker hours", "disk GB"):
        table.add_column(column, justify="left" if column == "stage" else "right")
    for name, stage in estimate.stages.items():
        table.add_row(
            name, f"{stage.shards:,}", f"{stage.seconds / 3600:,.2f}", f"{stage.bytes / 1e9:,.2f}"
        )
    console.print(table)
    console.print(
        f"About {human_time(estimate.wall_seconds)} with {estimate.workers} and "
        f"{estimate.bytes / 1e9:,.1f} GB of disk. Rates: {plain_text(estimate.source)}.",
        **_PLAIN,
    )
    if estimate.filters:
        console.print(
            f"Filters of your own, whose time is not counted: {'; '.join(estimate.filters)}.",
            **_PLAIN,
        )


def human_time(seconds: float) -> str:
    """Seconds in the largest sensible unit, e.g. `3.5 hours`."""
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.1f} {unit}"
    return f"{seconds:,.0f} seconds"
