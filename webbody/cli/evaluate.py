"""`webbody evaluate`: a model's figures on data sets, beside those of the paper."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from webbody.cli.build import ConfigFile, Overrides
from webbody.cli.inference import Demo, Device
from webbody.cli.people import demo_models
from webbody.cli.printing import PlainConsole, echo
from webbody.config import load
from webbody.errors import Incomplete, WebbodyError
from webbody.plain_text import plain_text

if TYPE_CHECKING:
    from pipelines.evaluate.requests import DatasetRequest
    from pipelines.evaluate.run import Evaluated


Cache = Annotated[
    str, typer.Option(help="Folder for features that are made; OUT/features if not given.")
]
Batch = Annotated[int, typer.Option(min=1, help="Images in one call of the model.")]


def evaluate(
    dataset: Annotated[
        list[str] | None,
        typer.Option("--dataset", "-d", metavar="NAME=PATH", help="A data set; see --list."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="YAML file of data sets: `NAME: PATH`, or `path` and `features`."),
    ] = None,
    out: Annotated[str, typer.Option("--out", "-o", help="Folder for tables and page.")] = "",
    checkpoint: Annotated[
        str | None,
        typer.Option(
            "--checkpoint",
            "-k",
            metavar="MODEL",
            help="Folder of SapiensID.save_pretrained, a file with the authors' weights, or the "
            "folder of a face embedder that `webbody train` made. For "
            "comparison FILE.onnx, timm:NAME, timm:NAME@WEIGHTS, or a YAML file that says more "
            "of one (docs/evaluation.md).",
        ),
    ] = None,
    features: Annotated[
        list[str] | None,
        typer.Option(
            "--features",
            "-f",
            metavar="[NAME=]FILE",
            help="Parquet of features made elsewhere, of whatever model, with columns `key` (an "
            "image's path in the data set) and `feature`.",
        ),
    ] = None,
    beside: Annotated[
        str,
        typer.Option(
            metavar="DIR",
            help="Show another evaluation of the same data sets beside the one in --out, query by "
            "query, in OUT/beside.html; without data sets that of OUT as it is.",
        ),
    ] = "",
    cache: Cache = "",
    batch: Batch = 32,
    device: Device = None,
    demo: Demo = False,
    list_: Annotated[
        bool,
        typer.Option(
            "--list",
            help="Only tell of each data set: where to get it, what it looks "
            "like on a disk, and whether it was found.",
        ),
    ] = False,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """Evaluate a model by the paper's protocols, and compare it with the paper's figures.

    Features are those of the image and the mirrored image added. For a SapiensID keypoints are
    found with the models of the configuration; samples of shards include them. Features are cached
    by checkpoint and data set: run the same command again to resume.

    OUT/evaluation.json, .csv and .tex hold the figures; evaluation.html shows failures, ranked
    galleries and curves, too, and whoever is in them: it is not for publication.
    Exit code 0: evaluated. 1: some figure is not defined, as no query has a match. 2: something to
    fix first.
    """
    from pipelines.evaluate.requests import read_requests

    requests = read_requests(data, dataset or [], features or [])
    console = PlainConsole()
    if list_:
        _list(requests)
        return
    if out and beside and not requests:
        _show_beside(out, beside)
        return
    if not requests or not out:
        raise WebbodyError("Give data sets (--dataset NAME=PATH or --data) and --out; see --list.")
    from pipelines.evaluate.models.embedder import open_embedder
    from pipelines.evaluate.report.output import write
    from pipelines.evaluate.run import evaluate as run
    from webbody.cli.progress import StatusLine

    overrides = [*(set_ or ()), *([f"resources.device={device}"] if device else ())]
    settings = load(config, overrides, base=demo_models() if demo else None)
    found: list[Evaluated] = []
    names: list[str] = []

    def done(one: "Evaluated") -> None:
        # What is found is kept, whatever happens to the next data set.
        found.append(one)
        names[:] = write(out, found)

    def progress(name: str, rows: int, parts: int, of: int) -> None:
        status.show(f"{name}: {parts:,}/{of:,} parts  {rows:,} images")

    with StatusLine(console, "Reading the data sets") as status:
        run(
            requests, lambda: open_embedder(checkpoint, settings.resources.device), settings,
            cache or f"{out}/features", batch=batch, progress=progress, done=done,
        )  # fmt: skip
    console.print(table(found))
    for one in found:
        for figure in one.figures:
            counts = ", ".join(f"{n:,} {what}" for what, n in figure.counts.items() if n)
            line = "; ".join([f"{one.name}, {figure.name}: {counts}", *figure.notes])
            console.print(Text(plain_text(line), style="dim"), soft_wrap=True)
    echo(f"Written to {out}: {', '.join(names)}")
    if beside:
        _show_beside(out, beside)
    empty = [one.name for one in found for figure in one.figures if not _defined(figure.metrics)]
    if empty:
        raise Incomplete(f"{', '.join(dict.fromkeys(empty))}: some figures are not defined.")


def table(found: "Sequence[Evaluated]") -> Table:
    """Our figures, the paper's, and their difference, all in percent."""
    from pipelines.evaluate.report.tables import percent, rows

    title = "In percent; SapiensID and others as the paper prints them"
    out = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    out.add_column("data set", no_wrap=True)
    out.add_column("figure", overflow="fold")
    out.add_column("metric", no_wrap=True)
    for column in ("ours", "SapiensID", "differ"):
        out.add_column(column, justify="right", no_wrap=True)
    # What the best other method was trained on is in the files.
    out.add_column("best other", no_wrap=True)
    before = ""
    for row in rows(found):
        if before not in ("", row.dataset):
            out.add_section()
        difference = percent(row.difference, "+")
        colour = "green" if (row.difference or 0) >= 0 else "red"
        out.add_row(
            Text(plain_text(row.dataset if row.dataset != before else "")),
            Text(plain_text(row.figure)),
            Text(plain_text(row.metric)),
            percent(row.ours) or "-",
            percent(row.sapiensid),
            Text(difference, style=colour) if difference else "",
            f"{percent(row.best_other)} {(row.other_method or '').partition(' ')[0]}",
        )
        before = row.dataset
    return out


def _show_beside(out: str, other: str) -> None:
    from pipelines.evaluate.report.output import write_beside

    echo(f"Written to {out}: {write_beside(out, other)}")


def _list(requests: "Sequence[DatasetRequest]") -> None:
    """A paragraph for each data set; those that were given a path are read."""
    from pipelines.evaluate.benchmarks import BENCHMARKS, read

    paths = {one.name: one.path for one in requests}
    for name, benchmark in BENCHMARKS.items():
        state = "no path given"
        if name in paths:
            try:
                state = f"{paths[name]}: {len(read(name, paths[name]).images):,} images"
            except WebbodyError as error:
                state = f"NO  {error.sentence}"
        echo(f"{name}  ({benchmark.title})", bold=True)
        echo(f"    from   {benchmark.source}")
        echo(f"    files  {benchmark.layout}")
        echo(f"    found  {plain_text(state)}")


def _defined(metrics: dict[str, float]) -> bool:
    return all(value == value for value in metrics.values())
