"""`webbody sapiens predict`: keypoints, body parts, depth or normals of pictures."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from webbody.cli.inference import Demo
from webbody.cli.people import demo_models
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
from webbody.errors import Incomplete, NothingKept, WebbodyError
from webbody.plain_text import counted, plain_text

if TYPE_CHECKING:
    from pipelines.inference.sapiens.boxes import FindPeople
    from pipelines.inference.sapiens.pictures import NamedPicture
    from pipelines.inference.sapiens.run import PredictionSummary

#: Of the pictures that cannot be read so many are named.
_NAMED = 10


def predict(
    images: Annotated[list[str], typer.Argument(help="Pictures, and folders of pictures.")],
    model: Model = None,
    task: Task = None,
    boxes: Annotated[
        Path | None,
        typer.Option(help="COCO JSON of the people's boxes: `images` and `annotations`."),
    ] = None,
    detector: Annotated[
        str | None,
        typer.Option(
            help="Find people with this detector of `webbody models list`, or a file of one."
        ),
    ] = None,
    foreground: Annotated[
        Path | None,
        typer.Option(
            help="depth, normal: a segmentation model; what it takes for background becomes NaN."
        ),
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for results.")] = Path(
        "sapiens-out"
    ),
    flip: Flip = False,
    size: Size = None,
    fit: FitOption = "squeeze",
    min_score: Annotated[
        float,
        typer.Option(help="pose: points of a lower score are not drawn, and 0 in the JSON."),
    ] = 0.3,
    patch_padding: PatchPadding = None,
    dtype: Dtype = "float32",
    device: DeviceName = "auto",
    batch: Batch = 8,
    demo: Demo = False,
) -> None:
    """Predict keypoints, body parts, depth or normals of pictures, whichever the model is for.

    Keypoints need the people's boxes: --boxes, --detector, or each whole picture is one person.
    Parts are found in whole pictures, as the models were trained, or with boxes in people's crops.

    OUT/NAME.npz holds a picture's result, OUT/NAME.png shows it, OUT/keypoints.json has all
    keypoints in COCO's format. Exit code 0: done. 1: some pictures could not be read. 2: an error
    to fix first. 3: no picture could be read.
    """
    from model.sapiens.prediction import Predictor
    from pipelines.inference.sapiens.pictures import find_pictures
    from pipelines.inference.sapiens.results import ResultFiles
    from pipelines.inference.sapiens.run import predict as run
    from webbody.cli.progress import StatusLine

    precision, where = dtype_of(dtype), device_of(device)
    sides, fitted = input_size(size), fit_of(fit)
    pictures = find_pictures(images)
    _check_out(out, images)
    network = open_model(model, task, patch_padding)
    kind = network.task.name
    _check(kind, boxes is not None, bool(detector) or demo, foreground is not None)
    people = _people(kind, boxes, detector, demo, pictures, where)
    mask = None
    if foreground is not None:
        parts = open_model(foreground, "segmentation", None)
        mask = Predictor(parts, where, precision, batch=batch)
    predictor = Predictor(network, where, precision, flip, batch, sides, fitted)
    with StatusLine(PlainConsole(), "Reading the pictures") as status:
        summary = run(
            pictures, predictor, ResultFiles(out), people=people, foreground=mask,
            least_score=min_score,
            progress=lambda done: status.show(f"{done:,}/{len(pictures):,} pictures"),
        )  # fmt: skip
    _tell(out, summary)


def _check(kind: str, has_boxes: bool, has_detector: bool, has_foreground: bool) -> None:
    if has_boxes and has_detector:
        raise WebbodyError("Give --boxes or --detector, not both.")
    if (has_boxes or has_detector) and kind in ("depth", "normal"):
        raise WebbodyError(f"The task {kind} takes whole pictures: leave the boxes out.")
    if has_foreground and kind not in ("depth", "normal"):
        raise WebbodyError(f"--foreground is for depth and normals; this model is for {kind}.")


def _check_out(out: Path, sources: Sequence[str]) -> None:
    """Pictures that are written among those that are read would be read by the next run."""
    for source in sources:
        folder = Path(source)
        if folder.is_dir() and out.resolve().is_relative_to(folder.resolve()):
            raise WebbodyError(
                f"--out {out}: lies in {source}, whose pictures are read; choose another folder."
            )


def _people(
    kind: str,
    boxes: Path | None,
    detector: str | None,
    demo: bool,
    pictures: "Sequence[NamedPicture]",
    device: str,
) -> "FindPeople | None":
    """How people are found; None where whole pictures are looked at."""
    from pipelines.inference.sapiens.boxes import detected, told_boxes, whole_pictures

    if boxes is not None:
        return told_boxes(boxes, pictures)
    if detector or demo:
        import torch

        from pipelines.detection.from_settings import person_detector
        from webbody.config import load
        from webbody.config.resources import WorkerResources

        overrides = [f"persons.model={detector}"] if detector else []
        settings = load(None, overrides, base=demo_models() if demo else None)
        resources = WorkerResources(device, threads=torch.get_num_threads())
        return detected(person_detector(settings.persons, resources))
    return whole_pictures if kind == "pose" else None


def _tell(out: Path, summary: "PredictionSummary") -> None:
    for path, reason in summary.unreadable[:_NAMED]:
        echo(f"{plain_text(path)}: cannot be read ({plain_text(reason)})", err=True, fg="yellow")
    more = len(summary.unreadable) - _NAMED
    if more > 0:
        echo(f"and {more:,} more", err=True, fg="yellow")
    lost = counted(len(summary.unreadable), "picture")
    if not summary.pictures:
        raise NothingKept(f"{out}: nothing was predicted, as {lost} could not be read.")
    line = f"{out}: results of {counted(summary.pictures, 'picture')}"
    if summary.people:
        line += f" with {counted(summary.people, 'person')}"
    if summary.whole:
        line += f"; nobody was found in {counted(summary.whole, 'picture')}, which were taken whole"
    echo(line)
    if summary.unreadable:
        raise Incomplete(f"{lost} could not be read; the others are done.")
