"""`webbody study`: the figures of data sets when something is changed, as in the supplement."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from webbody.cli.build import ConfigFile, Overrides
from webbody.cli.evaluate import Batch, Cache
from webbody.cli.inference import Demo, Device
from webbody.cli.people import demo_models
from webbody.cli.printing import PlainConsole, echo
from webbody.cli.progress import StatusLine
from webbody.config import load
from webbody.errors import WebbodyError
from webbody.plain_text import plain_text

if TYPE_CHECKING:
    from pipelines.study.figures import Point
    from pipelines.study.tables import Grid

app = typer.Typer(
    help="The supplement's studies: the figures of data sets when something is changed.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Datasets = Annotated[
    list[str] | None,
    typer.Option(
        "--dataset", "-d", metavar="NAME=PATH", help="A data set; see `webbody evaluate --list`."
    ),
]
Data = Annotated[Path | None, typer.Option(help="YAML file of data sets: `NAME: PATH`.")]
Out = Annotated[str, typer.Option("--out", "-o", help="Folder for the tables.")]


class What(StrEnum):
    """What can be varied; the names of pipelines.study.variations.VARIATIONS."""

    parts = "parts"
    strips = "strips"
    keypoints = "keypoints"
    zoom = "zoom"
    masks = "masks"


@app.command("vary")
def vary(
    what: Annotated[
        What,
        typer.Argument(
            help="parts: features of some body parts only (Tables 6, 10). strips: some strips of "
            "the image only (Table 11). keypoints: noise on keypoints (B.6 a). zoom: 5 % closer "
            "and farther (B.6 b). masks: a share of the tokens only (B.9)."
        ),
    ],
    checkpoint: Annotated[
        list[str],
        typer.Option(
            "--checkpoint",
            "-k",
            metavar="MODEL",
            help="Folder of SapiensID.save_pretrained, or a file with the authors' weights; for "
            "strips and zoom any model that `webbody evaluate` takes. Several are studied one "
            "after the other.",
        ),
    ],
    out: Out,
    dataset: Datasets = None,
    data: Data = None,
    cache: Cache = "",
    batch: Batch = 32,
    device: Device = None,
    demo: Demo = False,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """Evaluate data sets under variations of the model's input or output.

    Each image is read once, and features of all variants are kept in one file, so that a killed
    command goes on where it stopped. OUT/WHAT.json, .csv and .tex hold the figures, in percent.
    Exit code 0: done. 2: an error to fix first.
    """
    from pipelines.evaluate.requests import read_requests

    requests = read_requests(data, dataset or [], [])
    if not requests:
        raise WebbodyError("Give data sets: --dataset NAME=PATH, or --data.")
    from pipelines.evaluate.models.embedder import open_embedder
    from pipelines.study.tables import write
    from pipelines.study.variations import VARIATIONS
    from pipelines.study.vary import vary as run

    overrides = [*(set_ or ()), *([f"resources.device={device}"] if device else ())]
    settings = load(config, overrides, base=demo_models() if demo else None)
    console = PlainConsole()
    names: list[str] = []
    warnings: list[str] = []

    def done(points: "list[Point]") -> None:
        # What is found is kept, whatever happens to the next data set.
        names[:] = write(out, what.value, points)

    with StatusLine(console, "Reading the data sets") as status:

        def show_progress(name: str, rows: int, parts: int, of: int) -> None:
            status.show(f"{name}: {parts:,}/{of:,} parts  {rows:,} images")

        found = run(
            what.value,
            requests,
            [open_embedder(name, settings.resources.device) for name in checkpoint],
            settings,
            cache or f"{out}/features",
            batch=batch,
            progress=show_progress,
            done=done,
            warn=warnings.append,
        )
    for warning in warnings:
        echo(f"warning: {plain_text(warning)}", err=True, fg="yellow")
    _show(console, VARIATIONS[what.value].title, found)
    echo(f"Written to {out}: {', '.join(names)}")


@app.command("fuse")
def fuse(
    features: Annotated[
        list[str],
        typer.Argument(
            help="Parquet files of features of the data set's images, one a model, with columns "
            "`key` (an image's path in the data set) and `feature`."
        ),
    ],
    dataset: Annotated[
        str,
        typer.Option(
            "--dataset", "-d", metavar="NAME=PATH", help="A data set; see `evaluate --list`."
        ),
    ],
    out: Out,
    device: Device = None,
) -> None:
    """Rank a data set by the fused scores of several models, such as of faces and of bodies.

    Fused are cosines: their maximum, their mean, and their mean after each model's were mapped to
    0 ... 1 (min-max). Where a model has no feature of an image, the others decide. Each model is
    judged by itself, too. OUT/fusion.json, .csv and .tex hold the figures, in percent.
    Exit code 0: done. 2: an error to fix first.
    """
    from pipelines.evaluate.requests import read_requests
    from pipelines.study.fuse import fuse as run
    from pipelines.study.tables import write

    (requests,) = read_requests(None, [dataset], [])
    settings = load(None, [f"resources.device={device}"] if device else [])
    found = run(requests.name, requests.path, features, settings)
    _show(PlainConsole(), "Scores of several models fused (Table 8)", found)
    echo(f"Written to {out}: {', '.join(write(out, 'fusion', found))}")


@app.command("visibility")
def visibility(
    sources: Annotated[
        list[str], typer.Argument(help="Folders of builds, shards (.tar) and folders of them.")
    ],
    split: Annotated[str, typer.Option(help="Of builds: train or test.")] = "train",
) -> None:
    """Show the share of a data set's images in which each keypoint is visible (Table 16)."""
    from model.evaluation.visibility import keypoint_visibility
    from pipelines.study.figures import printed

    found = keypoint_visibility(sources, split)
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("keypoint")
    table.add_column("visible", justify="right")
    table.add_column("WebBody4M", justify="right")
    for name, share in found.share.items():
        paper = printed("visibility", name, "", "", "visible")
        table.add_row(name, f"{share:.2%}", "" if paper is None else f"{paper:.2f}%")
    echo(f"Keypoints visible in {found.images:,} images, beside Table 16 of the paper")
    PlainConsole().print(table)


def _show(console: Console, title: str, found: "list[Point]") -> None:
    """A table for each model and data set; only columns that the paper prints have its figures."""
    from pipelines.study.tables import grids

    found_grids = grids(found)
    beside = ", with the paper's figures beside" if any(g.printed for g in found_grids) else ""
    console.print(f"{title}; in percent{beside}", soft_wrap=True)
    for grid in found_grids:
        console.print(Text(plain_text(f"{grid.dataset}  ({grid.model})")), soft_wrap=True)
        console.print(_table(grid))


def _table(grid: "Grid") -> Table:
    from pipelines.evaluate.report.tables import percent

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("condition", no_wrap=True)
    for figure, metric in grid.columns:
        table.add_column(f"{figure}\n{metric}", justify="right")
        if (figure, metric) in grid.printed:
            table.add_column("\npaper", justify="right", style="dim")
    for condition, row in grid.cells.items():
        cells = []
        for column in grid.columns:
            point = row.get(column)
            cells.append(percent(point.ours) or "-" if point else "")
            if column in grid.printed:
                cells.append(percent(point.paper) if point else "")
        table.add_row(Text(plain_text(condition)), *cells)
    return table
