"""`webbody import reid`: body-ReID data sets as shards to train on beside a build's."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from webbody.cli.build import ConfigFile, Overrides, Preset
from webbody.cli.inference import Demo, Device
from webbody.cli.people import demo_models
from webbody.cli.printing import PlainConsole, echo
from webbody.config import load, merge, read_preset
from webbody.errors import NothingKept, WebbodyError
from webbody.plain_text import plain_text

if TYPE_CHECKING:
    from pipelines.reid.import_job import Imported

app = typer.Typer(
    help="Turn other data sets into shards to train on.",
    rich_markup_mode=None,
    no_args_is_help=True,
)


@app.callback()
def _import() -> None:
    """Turn other data sets into shards to train on."""


@app.command("reid")
def reid(
    datasets: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME=PATH ...", help="Data sets as unpacked; see --list."),
    ] = None,
    out: Annotated[
        str, typer.Option("--out", "-o", help="Folder that gets a folder for each data set.")
    ] = "",
    share: Annotated[
        float | None,
        typer.Option(
            help="Take so many whole people at random that the images are this share (0.1: a "
            "tenth) of a mix with those of --of; without it everybody is taken."
        ),
    ] = None,
    of: Annotated[
        str, typer.Option("--of", help="Folder of the build with whose training samples they mix.")
    ] = "",
    list_: Annotated[
        bool,
        typer.Option("--list", help="Only tell of each data set where to get it and how it looks."),
    ] = False,
    device: Device = None,
    demo: Demo = False,
    preset: Preset = None,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """Turn the training parts of body-ReID data sets into shards like those of a build.

    Nothing of a test part is read. Each image is taken as one person; the keypoints are found with
    the models of the configuration (keypoints.*), images made as a build makes them (pack.*,
    split.seed, split.samples_per_shard). Train on them with
    `webbody train BUILD OUT/market1501 OUT/prcc --out RUN`: each folder is a data set of its own.

    Shards are committed while it runs: run the same command again to go on. Exit code 0: imported.
    2: an error to fix first. 3: done to the end, but there is nothing in the shards.
    """
    from pipelines.evaluate.benchmarks import named
    from pipelines.evaluate.requests import name_and_path
    from pipelines.reid.importing import import_reid
    from pipelines.reid.training_sets import TRAINING_SETS
    from webbody.cli.progress import StatusLine

    if list_:
        _list()
        return
    requests = [(named(name, TRAINING_SETS), path) for name, path in name_and_path(datasets or [])]
    if not requests or not out:
        raise WebbodyError("Give data sets (NAME=PATH) and --out; see --list.")
    if len({name for name, _ in requests}) < len(requests):
        raise WebbodyError("A data set is given twice: import the second into another --out.")
    if (share is None) != (not of):
        raise WebbodyError("Give --share and --of together: the share, and the build to mix with.")
    if share is not None and not 0 < share < 1:
        raise WebbodyError(f"--share {share}: give a number between 0 and 1, such as 0.1.")
    base = read_preset("build", preset) if preset else {}
    overrides = [*(set_ or ()), *([f"resources.device={device}"] if device else ())]
    settings = load(config, overrides, merge(base, demo_models()) if demo else base)

    made = {"images": 0}

    def progress(name: str, shard: str, counts: Mapping[str, int]) -> None:
        made["images"] += counts.get("in", 0)
        rate = made["images"] / max(status.seconds, 1e-6)
        status.show(f"{name}: {shard}  {made['images']:,} images, {rate:,.0f}/s")

    with StatusLine(PlainConsole(), "Reading the data sets") as status:
        found = import_reid(requests, out, settings, share=share, build=of, progress=progress)
    for one in found:
        echo(plain_text(line(one)))
    if not any(one.samples for one in found):
        raise NothingKept(f"{out}: nothing was imported; look at the images that are left out.")


def line(one: "Imported") -> str:
    """What became of a data set, in one line."""
    text = (
        f"{one.out}: {one.samples:,} images of {one.sample_people:,} people in {one.shards:,} "
        "shards"
    )
    if one.taken < one.images:
        text += f", of {one.images:,} images of {one.people:,} people"
    if one.new < one.shards:
        text += f"; {one.shards - one.new:,} of the shards were there already"
    if one.single:
        text += f"; {one.single:,} of the people with one image"
    if one.outcomes:
        reasons = ", ".join(f"{name} {count:,}" for name, count in sorted(one.outcomes.items()))
        text += f"; {one.outcomes.total():,} images left out ({reasons})"
    return text + "."


def _list() -> None:
    from pipelines.reid.training_sets import TRAINING_SETS

    table = Table(show_edge=False)
    for column in ("name", "data set", "training part", "where to get it"):
        table.add_column(column, overflow="fold")
    for name, one in sorted(TRAINING_SETS.items()):
        table.add_row(*(Text(cell) for cell in (name, one.title, one.layout, one.source)))
    PlainConsole().print(table)
