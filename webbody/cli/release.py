"""`webbody release`."""

from typing import Annotated

import typer

from webbody.cli.printing import echo
from webbody.errors import WebbodyError
from webbody.plain_text import plain_text


def release(
    build: Annotated[
        str, typer.Argument(metavar="DIR", help="A finished build, or with --push a release.")
    ] = "",
    out: Annotated[
        str, typer.Option("--out", "-o", metavar="R", help="Folder of the release; new.")
    ] = "",
    card: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="What you say of the release; see --card-template."),
    ] = None,
    card_template: Annotated[
        bool, typer.Option("--card-template", help="Print a card to fill in, and exit.")
    ] = False,
    draft: Annotated[
        bool, typer.Option("--draft", help="Without a complete card; the release says DRAFT.")
    ] = False,
    date: Annotated[
        str | None,
        typer.Option(metavar="DAY", help="Day of the release, such as 2026-12-01. [today, UTC]"),
    ] = None,
    previous: Annotated[
        str | None,
        typer.Option(metavar="R0", help="The version before; what is different is told."),
    ] = None,
    refuse_hashes: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Pictures that are known to do harm: on each line a sha256 (64 hex digits) or a "
            "perceptual hash (16). Any of them refuses the release.",
        ),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace an older release of the same name at --out.")
    ] = False,
    push: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Publish it too: hf://datasets/ORGANISATION/NAME. A new repository is private, "
            "and access is gated.",
        ),
    ] = None,
) -> None:
    """Make a release of a finished build: a list of URLs, boxes and person ids, with a data card.

    No pictures, no names. Others rebuild the data set from it with `webbody build --manifest R`.
    """
    from webbody.releases.card import dated, read_card, template

    if card_template:
        echo(template(), nl=False)
        return
    if not build or not (out or push):
        raise WebbodyError("Give the folder of a build, and --out for the release.")
    if push:
        from pipelines.release.push import push as publish
        from pipelines.release.push import repository

        repository(push)
        if draft:
            raise WebbodyError("--push: a draft is not published; leave --draft out.")
    if out:
        from pipelines.release.write import write_release

        made = write_release(
            build,
            out,
            dated(read_card(card, draft), date),
            draft=draft,
            previous=previous,
            refuse_hashes=refuse_hashes,
            replace=replace,
        )
        info = made.info
        for note in made.notes:
            echo(f"Note: {plain_text(note)}", err=True)
        echo(
            f"{out}: {'DRAFT of ' if info.draft else ''}{info.name} {info.version}, "
            f"{info.samples:,} samples of {info.people:,} people. Read {out}/README.md before you "
            "publish it."
        )
    if push:
        echo(publish(out or build, push))
