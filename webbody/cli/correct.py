"""`webbody correct`: what somebody saw in a build, so that every later build knows it."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from webbody.cli.printing import PlainConsole, echo
from webbody.errors import WebbodyError
from webbody.plain_text import counted, plain_text
from webbody.removals import lists_in

if TYPE_CHECKING:
    from pipelines.corrections.corrector import Corrector

_LIST, _IMPORT, _UNDO, _NEXT = "list", "import", "undo", "next"
_PICTURES = ("not-this-person", "bad-picture", "wrong-box", "keep", "right")
_PEOPLE = ("one-person", "two-people")
_WHAT = (*_PICTURES, *_PEOPLE, _UNDO, _IMPORT, _LIST, _NEXT)


def correct(
    out: Annotated[str, typer.Argument(metavar="DIR", help="Folder of a build.")],
    what: Annotated[str, typer.Argument(metavar="WHAT", help=f"One of {', '.join(_WHAT)}.")] = (
        _LIST
    ),
    items: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ITEM",
            help="Pictures: keys of crops, samples or rows, or URLs. People: two, by id or name. "
            "undo: ids of corrections. import: the folder of another build.",
        ),
    ] = None,
    why: Annotated[str, typer.Option(help="In your own words.")] = "",
    who: Annotated[str, typer.Option(help="How you are called; without it, as here.")] = "",
    most: Annotated[int, typer.Option(min=1, help="Of next: how many.")] = 20,
) -> None:
    """Say what you saw: that pictures show somebody else or are to be kept, that people are one.

    What is said names pictures by their content, wins over every threshold, and holds in all later
    builds of this folder: with more rows, other models, other settings. `webbody build` heeds it;
    only what it touches is made again. Without WHAT, lists what was said and what came of it;
    next lists what to look at first, the likeliest errors, later every fifth at random, and how
    many errors may be left. `right` says that the build decided rightly. `webbody view --edit` does
    all this in a browser.

    Exit code 0: done. 2: an error to fix first; nothing was written.
    """
    from pipelines.corrections.correction import Verdict
    from pipelines.corrections.corrector import Corrector

    if what not in _WHAT:
        raise WebbodyError(f"{what}: is none of {', '.join(_WHAT)}.")
    given = items or []
    corrector = Corrector(out, who)
    if what == _LIST:
        _show(corrector)
        return
    if what == _NEXT:
        _show_next(corrector, most)
        return
    if not given:
        raise WebbodyError(f"{what}: say of what; `webbody correct --help` tells how.")
    if what in _PICTURES:
        said = corrector.of_pictures(Verdict(what), given, why)
        ids = ", ".join(one.id for one in said)
        echo(f"{counted(len(said), 'correction')} written: {ids}.")
    elif what in _PEOPLE:
        if len(given) != 2:
            raise WebbodyError(f"{what}: is said of two people, and {len(given)} are given.")
        first, second = (corrector.lookup.person(item) for item in given)
        one = corrector.of_people(Verdict(what), first, second, why)
        echo(f"1 correction written: {one.id}.")
    elif what == _UNDO:
        corrector.undo(given, why)
        echo(f"{counted(len(given), 'correction')} taken back.")
    else:
        from pipelines.takedown.corrections import without_removed

        lists = lists_in(corrector.lookup.folder)
        new, meant = corrector.take_over(given, lambda said: without_removed(said, lists))
        echo(
            f"{counted(new, 'correction')} taken over, {meant:,} of them about pictures of this "
            "build."
        )
    echo("`webbody build` with this folder's settings heeds them.")


def _show_next(corrector: "Corrector", most: int) -> None:
    from pipelines.corrections.review.state import ReviewState

    state = ReviewState.of(corrector.lookup)
    table = Table()
    for column in ("crops", "name", "the build says", "to the person", "to the nearest"):
        table.add_column(column, overflow="fold")
    for unit in state.next_units(most):
        likeness = (unit["to_person"], unit["nearest"])
        figures = ("" if one is None else f"{one:.2f}" for one in likeness)
        cells = (" ".join(unit["crops"]), unit["name"], unit["outcome"] or "kept", *figures)
        table.add_row(*(Text(plain_text(cell)) for cell in cells))
    console = PlainConsole(highlight=False)
    console.print(table)
    for pair in state.pairs[:most]:
        echo(
            f"{plain_text(' and '.join(pair.names))}: {pair.decision}, similarity "
            f"{pair.similarity:.2f}"
        )
    echo(plain_text(state.estimate().sentence()))


def _show(corrector: "Corrector") -> None:
    from pipelines.corrections.told import known_to, sentence, waiting_sentence, why_not

    said = corrector.journal.read()
    records = corrector.lookup.records
    known = known_to(records)
    if not said:
        echo("Nobody has corrected anything here.")
        return
    table = Table()
    for column in ("id", "what", "said", "what came of it"):
        table.add_column(column, overflow="fold")
    undone = {one.undoes for one in said}
    for one in said:
        came = ""
        if found := known.get(one.id):
            by = f" ({found.by})" * bool(found.by)
            came = why_not(found.state) + by or counted(found.rows, "decision")
        if one.id in undone:
            came = "taken back"
        cells = (one.id, one.verdict.value, sentence(one), came)
        table.add_row(*(Text(plain_text(cell)) for cell in cells))
    PlainConsole(highlight=False).print(table)
    if waits := waiting_sentence(records):
        echo(waits)
