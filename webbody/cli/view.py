"""`webbody view`."""

import signal
from typing import Annotated

import typer

from webbody.cli.printing import PlainConsole, echo


def view(
    out: Annotated[
        str,
        typer.Argument(
            metavar="DIR",
            help="Folder of a build (it may still run), a release, an evaluation or a training.",
        ),
    ],
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Of 127.0.0.1; without it any that is free.")
    ] = 0,
    edit: Annotated[
        bool, typer.Option("--edit", help="Let corrections be made; without it nothing is changed.")
    ] = False,
    who: Annotated[
        str, typer.Option(help="With --edit: how you are called; without it, as here.")
    ] = "",
    beside: Annotated[
        str,
        typer.Option(metavar="DIR2", help="Another evaluation, query by query beside that in DIR."),
    ] = "",
) -> None:
    """Look at a build in the browser: every outcome, image, person and doubtful pair.

    Of an evaluation it shows figures and rankings, of a training its curves, as they are now; of a
    release what is in it, without fetching anything.

    Prints an address with a token; only who has it gets in, and only from this machine. What the
    pages need is kept in DIR/.view and made again where the build changes. Ctrl-C ends it.
    """
    from pipelines.viewer.editing import Editing
    from pipelines.viewer.server import view as serve

    console = PlainConsole(stderr=True)
    with console.status("reading the build") as status:

        def on_shard(done: int, number: int) -> None:
            status.update(f"reading the build: {done:,} of {number:,} shards")

        def on_address(address: str) -> None:
            status.stop()
            echo(f"Open {address}")
            echo("Ctrl-C ends it." + (" Corrections may be made." if edit else ""))

        editing = Editing(out, who) if edit else None
        try:
            serve(out, port, editing, on_shard, on_address, beside)
        except KeyboardInterrupt:  # how one ends it
            pass
        except SystemExit as stop:  # or a machine does: nothing is left to resume
            if stop.code != 128 + signal.SIGTERM:
                raise
