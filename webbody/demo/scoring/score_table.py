"""The score as a table for people who see it for the first time."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

#: Figure -> title and one line of explanation; in the order of the pipeline.
EXPLAINED = {
    "person_recall": ("Persons found", "drawn persons, visible enough, for whom there is a box"),
    "person_precision": ("Person boxes right", "boxes that surround a drawn person"),
    "face_recall": ("Faces found", "clear faces of found persons that were detected and trusted"),
    "keypoint_pck": ("Keypoints right", "visible points within a tenth of the person's size"),
    "identity_purity": ("Labels pure", "samples that show whom their label mostly shows"),
    "identity_recall": ("Images kept", "of those that belong in the data, rightly labelled"),
    "merges_right": ("Double names merged", "pairs of names of one person that became one label"),
    "merges_wrong": ("Merges that are wrong", "merged names of two persons (lower is better)"),
    "leaks_left": ("Leaks left", "validation people still there (lower is better)"),
    "exact_duplicates_found": ("Exact copies removed", "same bytes at another address"),
    "near_duplicates_found": ("Near copies removed", "resized, cropped or compressed again"),
    "outcomes_right": ("Odd URLs understood", "broken or strange URLs with the right verdict"),
}  # fmt: skip


def print_score(result: dict[str, Any], console: Console | None = None) -> None:
    """Print a score (of `score`, or read from score.json), a line a figure."""
    console = console or Console()
    table = Table(title="Score against the truth", title_justify="left")
    table.add_column("figure", no_wrap=True)
    table.add_column("share", justify="right", no_wrap=True)
    table.add_column("counted", justify="right", no_wrap=True)
    table.add_column("meaning", ratio=1)
    for key, (title, meaning) in EXPLAINED.items():
        right, of = result["counted"][key]
        share = f"{100 * right / of:.1f} %" if of else "–"
        table.add_row(title, share, f"{right} of {of}", meaning)
    console.print(table)
    if result["lost"]:
        lost = ", ".join(f"{count} {outcome}" for outcome, count in result["lost"].items())
        console.print(f"Images that belong in the data and were lost: {lost}.", soft_wrap=True)
    adds_up = result["outcomes_add_up"]
    verdict = ("each has exactly one outcome", "")
    if not adds_up:
        verdict = ("the outcomes do not add up", "bold red")
    console.print(Text.assemble(f"{result['rows']} manifest rows; ", verdict, "."))
