"""`webbody rot`: what became of a release's pictures since it was published."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from webbody.cli.printing import PlainConsole, echo_json
from webbody.plain_text import plain_text
from webbody.storage import Folder

if TYPE_CHECKING:
    from pipelines.inspection.rot import Rot


def rot(
    out: Annotated[
        str, typer.Argument(metavar="DIR", help="Output folder of a build from a release.")
    ],
    json_: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Show what became of a release's pictures: same, re-encoded, changed, gone, opted out.

    A build from a release writes the same as rot.json and rot.png into its folder.
    """
    from pipelines.inspection.rot import read_rot

    found = read_rot(out)
    if json_:
        echo_json(found.to_json())
    else:
        print_rot(found, PlainConsole())


def report(out: str, console: Console) -> None:
    """Print what became of the pictures, and write it into the folder."""
    from pipelines.inspection.rot import PICTURE, REPORT, read_rot, write_rot

    found = read_rot(out)
    write_rot(found, Folder(out))
    print_rot(found, console)
    console.print(
        f"The same is in {out}/{REPORT}, and as a picture in {out}/{PICTURE}.",
        soft_wrap=True, markup=False, highlight=False,
    )  # fmt: skip


def print_rot(rot: "Rot", console: Console) -> None:
    """The states in all, and by domain and year."""
    from pipelines.inspection.rot import STATES

    shown = [state for state in STATES if rot.total[state]]
    rows = rot.total.total()
    console.print("What became of the released pictures:", highlight=False)
    table = Table()
    table.add_column("")
    for column in ("samples", *shown):
        table.add_column(column, justify="right")
    parts = [("all", rot.total), *rot.largest_domains(), *sorted(rot.years.items())]
    for name, found in parts:
        share = [f"{found[state] / max(found.total(), 1):.1%}" for state in shown]
        table.add_row(Text(plain_text(name)), f"{found.total():,}", *share)
    console.print(table)
    kept = rot.total["same"] + rot.total["re-encoded"]
    console.print(f"{kept:,} of {rows:,} pictures are what was published.", highlight=False)
    if not kept:
        return
    text = "Digest of this data set, for papers to name:"
    if rot.identical:
        text = "The shards are the publisher's, byte for byte, and so is the data digest:"
    console.print(f"{text} {rot.digest}", soft_wrap=True, highlight=False)
