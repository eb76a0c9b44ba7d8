"""The `webbody` command: one module per group of commands; heavy imports stay inside them."""

import signal
import sys
import traceback
from contextlib import suppress
from types import FrameType

import typer

from webbody import __version__
from webbody.cli import (
    build,
    calibrate,
    correct,
    demo,
    doctor,
    evaluate,
    export,
    import_reid,
    inference,
    inspect,
    manifest,
    models,
    people,
    release,
    rot,
    sapiens,
    show,
    statistics,
    study,
    takedown,
    train,
    verify,
    view,
)
from webbody.cli.printing import echo
from webbody.errors import WebbodyError
from webbody.libraries import not_installed
from webbody.plain_text import plain_text

#: Exit codes after Ctrl-C, and after SIGTERM, as a machine gets it that is taken away.
INTERRUPTED, TERMINATED = 130, 143

app = typer.Typer(
    name="webbody",
    help="From a list of URLs and names to a labelled human-recognition data set and a model.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("build")(build.build)
app.command("config")(build.config)
app.command("doctor")(doctor.doctor)
app.add_typer(manifest.app, name="manifest")
app.command("status")(inspect.status)
app.command("explain")(inspect.explain)
app.command("report")(inspect.report)
app.command("correct")(correct.correct)
app.command("view")(view.view)
app.command("rot")(rot.rot)
app.command("takedown")(takedown.takedown)
app.command("release")(release.release)
app.command("export")(export.export)
app.command("forget")(takedown.forget)
app.command("verify")(verify.verify)
app.command("stats")(statistics.stats)
app.command("diff")(statistics.diff)
app.command("gallery")(people.gallery)
app.command("calibrate")(calibrate.calibrate)
app.command("embed")(inference.embed)
app.command("compare")(inference.compare)
app.add_typer(models.app, name="models")
app.command("show")(show.show)
app.add_typer(import_reid.app, name="import")
app.command("train")(train.train)
app.command("evaluate")(evaluate.evaluate)
app.add_typer(study.app, name="study")
app.add_typer(sapiens.app, name="sapiens")
app.command("demo")(demo.demo)


def _version(show: bool) -> None:
    if show:
        echo(f"webbody {__version__}")
        raise typer.Exit()


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version and exit."
    ),
) -> None:
    pass


def _terminate(number: int, frame: FrameType | None) -> None:
    """End as by Ctrl-C: what was started ends, too, and a folder is free for the next one."""
    sys.exit(TERMINATED)


def main() -> None:
    """Entry point: user errors are printed as one sentence, with an exit code."""
    try:
        with suppress(ValueError):  # not in the main thread, where Python handles no signals
            signal.signal(signal.SIGTERM, _terminate)
        app()
    except WebbodyError as error:
        echo(f"webbody: {plain_text(error.sentence)}", err=True, fg="red")
        sys.exit(error.exit_code)
    except SystemExit as stop:
        if stop.code in (INTERRUPTED, TERMINATED):  # typer turns Ctrl-C into the first
            why = "interrupted" if stop.code == INTERRUPTED else "terminated"
            echo(
                f"webbody: {why}. What was committed is kept; "
                "run the same command again to resume.",
                err=True,
            )
        raise
    except Exception as error:
        sentence = not_installed(error) if isinstance(error, ModuleNotFoundError) else None
        if sentence is not None:
            echo(f"webbody: {sentence}", err=True, fg="red")
            sys.exit(WebbodyError.exit_code)
        # An error that should not happen: its trace may hold what strangers wrote, and secrets.
        echo(traceback.format_exc(), err=True, nl=False)
        sys.exit(1)
