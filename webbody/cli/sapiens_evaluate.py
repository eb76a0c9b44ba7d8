"""`webbody sapiens evaluate`: figures of a Sapiens model on labelled data, beside the paper's."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from webbody.cli.printing import PlainConsole, echo
from webbody.cli.sapiens_options import (
    Batch,
    DeviceName,
    Dtype,
    FitOption,
    Flip,
    Model,
    PatchPadding,
    Size,
    Task,
    device_of,
    dtype_of,
    fit_of,
    input_size,
    open_model,
)
from webbody.errors import Incomplete, WebbodyError
from webbody.plain_text import counted, plain_text

if TYPE_CHECKING:
    from model.sapiens.evaluation import PaperTable, SapiensFigures

#: Figures of the table where the paper has none of the task and vocabulary.
_COLUMNS = 5
#: Digits behind the point.
_DIGITS = {"pose": 1, "segmentation": 1, "depth": 4, "normal": 2}
_WIDE = 170
_TITLES = {
    "pose": "Average precision and recall of keypoints, percent",
    "segmentation": "Body parts, percent",
    "depth": "Relative depth",
    "normal": "Normals: degrees, and percent of pixels below so many",
}


def evaluate(
    data: Annotated[
        Path,
        typer.Argument(
            help="pose: a file of keypoints in COCO's format; else a folder with images/ and "
            "masks/, depth/ or normals/."
        ),
    ],
    model: Model = None,
    task: Task = None,
    images: Annotated[
        Path | None,
        typer.Option(help="pose: the folder of the pictures; without it `images` beside DATA."),
    ] = None,
    detections: Annotated[
        Path | None,
        typer.Option(help="pose: a detector's boxes in COCO's JSON, instead of the labelled ones."),
    ] = None,
    keypoints: Annotated[
        int | None,
        typer.Option(help="pose: of DATA, where they are not the model's: 17, 133 or 308."),
    ] = None,
    flip: Flip = False,
    size: Size = None,
    fit: FitOption = "squeeze",
    baselines: Annotated[
        bool, typer.Option("--baselines", help="Also a mean predictor and an untrained model.")
    ] = False,
    most: Annotated[
        int | None, typer.Option(min=1, help="Look at the first so many pictures alone.")
    ] = None,
    json_: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write all figures to a file.")
    ] = None,
    patch_padding: PatchPadding = None,
    dtype: Dtype = "float32",
    device: DeviceName = "auto",
    batch: Batch = 8,
) -> None:
    """Evaluate a Sapiens model on labelled data, and print the paper's tables beside it.

    Keypoints: OKS average precision and recall by pycocotools. Parts: mIoU and accuracies over the
    data set. Depth: errors inside the mask after scale and shift are fitted to each picture.
    Normals: angles inside the mask. The paper's data are others, so its figures show the order of
    magnitude. Exit code 0: evaluated. 1: the main figure is not defined. 2: an error to fix first.
    """
    from model.sapiens.data.box_file import read_box_file
    from model.sapiens.data.opening import labelled_data
    from model.sapiens.evaluation import (
        evaluate as run,
    )
    from model.sapiens.evaluation import figures_of, mean_predictor, paper_tables, untrained

    options: dict[str, Any] = {
        "dtype": dtype_of(dtype), "device": device_of(device), "flip": flip, "fit": fit_of(fit),
        "size": input_size(size), "batch": batch, "most": most,
    }  # fmt: skip
    if json_ is not None and not json_.parent.is_dir():
        raise WebbodyError(f"--json {json_}: there is no folder {json_.parent}; make it first.")
    network = open_model(model, task, patch_padding)
    kind = network.task.name
    if kind != "pose" and (images or detections or keypoints):
        raise WebbodyError(
            f"--images, --detections and --keypoints are for pose; this model is for {kind}."
        )
    labelled = labelled_data(kind, keypoints or network.outputs, data, images)
    boxes = None if detections is None else read_box_file(detections).people
    found = {"ours": run(network, labelled, detections=boxes, **options)}
    if baselines:
        found["mean predictor"] = figures_of(
            mean_predictor(labelled, most), labelled, detections=boxes, most=most
        )
        found["untrained"] = run(untrained(network), labelled, detections=boxes, **options)
    paper = paper_tables(kind, keypoints or network.outputs)
    console = PlainConsole()
    if not console.is_terminal:
        console = PlainConsole(width=_WIDE)
    console.print(table(str(data), found, paper))
    ours = found["ours"]
    counts = ", ".join(counted(n, what) for what, n in ours.counts.items() if n)
    if json_ is not None:
        _write(json_, str(model), str(data), found, paper)
    if math.isnan(ours.main.value):
        raise Incomplete(f"{data}: {ours.main.name} is not defined, as nothing in the data counts.")
    echo(f"{data}: {counts}. {ours.main.name} {ours.main.value:.{_DIGITS[kind]}f}")


def table(data: str, found: "Mapping[str, SapiensFigures]", paper: "list[PaperTable]") -> Table:
    """Our figures on the data, then the tables of the paper on its own."""
    ours = found["ours"]
    columns = [figure.name for figure in ours.figures[:_COLUMNS]]
    if paper:
        columns = list(paper[0].columns)
    # Where vocabularies differ, these are the points that they share.
    columns += [name for name in ("shared AP", "shared AR") if ours.value(name) is not None]
    out = Table(title=_TITLES[ours.task], title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    out.add_column("data", overflow="fold")
    out.add_column("model", overflow="fold")
    for column in columns:
        out.add_column(column.replace(" ", "\n"), justify="right", no_wrap=True)
    digits = _DIGITS[ours.task]

    def row(where: str, name: str, values: Mapping[str, float | None]) -> None:
        cells = [values.get(column) for column in columns]
        shown = [
            "" if value is None else "-" if math.isnan(value) else f"{value:.{digits}f}"
            for value in cells
        ]
        out.add_row(Text(plain_text(where)), Text(plain_text(name)), *shown)

    for at, (name, figures) in enumerate(found.items()):
        row(data if at == 0 else "", name, {f.name: f.value for f in figures.figures})
    for printed in paper:
        out.add_section()
        for at, (name, values) in enumerate(printed.rows):
            told = dict(zip(printed.columns, values, strict=True))
            row(printed.data if at == 0 else "", name, told)
    return out


def _write(
    file: Path,
    model: str,
    data: str,
    found: "Mapping[str, SapiensFigures]",
    paper: "list[PaperTable]",
) -> None:
    ours = found["ours"]
    content = {
        "task": ours.task,
        "model": model,
        "data": data,
        "main": ours.main.name,
        "counts": dict(ours.counts),
        "figures": {
            name: {f.name: None if math.isnan(f.value) else f.value for f in figures.figures}
            for name, figures in found.items()
        },
        "paper": [
            {
                "source": printed.source,
                "data": printed.data,
                "rows": {
                    name: dict(zip(printed.columns, values, strict=True))
                    for name, values in printed.rows
                },
            }
            for printed in paper
        ],
    }
    try:
        file.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise WebbodyError(f"{file}: cannot be written ({error.strerror or error}).") from error
