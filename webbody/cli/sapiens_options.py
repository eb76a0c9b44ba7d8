"""Options that `webbody sapiens predict` and `evaluate` share, and the model that they open."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from webbody.cli.printing import echo
from webbody.errors import WebbodyError

if TYPE_CHECKING:
    import torch

    from model.sapiens.prediction.fitting import Fit
    from model.sapiens.task_model import SapiensModel

Model = Annotated[
    Path | None,
    typer.Option(
        "--model",
        "-m",
        help="A run's folder `model` or `best`, or a published checkpoint (.pth, .safetensors).",
    ),
]
Task = Annotated[
    str | None,
    typer.Option(help="pose, segmentation, depth or normal: refuse a model of another one."),
]
PatchPadding = Annotated[
    int | None,
    typer.Option(
        help="0 or 2: of a published file, which does not tell it; without it that of the authors' "
        "model of this task."
    ),
]
Flip = Annotated[
    bool,
    typer.Option("--flip", help="Average with the result of the mirrored picture."),
]
Size = Annotated[
    str | None,
    typer.Option(
        metavar="HxW", help="Input size, multiples of 16; as the model was trained if not given."
    ),
]
FitOption = Annotated[
    str,
    typer.Option(
        "--fit", help="Whole pictures as inputs: `squeeze`, as in training, or `letterbox`."
    ),
]
Dtype = Annotated[str, typer.Option(help="Of the network: float32, bfloat16 or float16.")]
DeviceName = Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")]
Batch = Annotated[int, typer.Option(min=1, help="Inputs in one run of the network.")]


def open_model(path: Path | None, task: str | None, patch_padding: int | None) -> "SapiensModel":
    """The model of a path; says what it is before anything runs."""
    from model.sapiens.saved import load, tells_its_configuration
    from model.sapiens.sizes import SIZES
    from model.sapiens.task_model import sapiens_task

    if path is None:
        raise WebbodyError("Give the model with --model: a run's folder, or a published file.")
    if task is not None:
        sapiens_task(task)
    if not path.exists():
        raise WebbodyError(f"{path}: there is no such model; check the path.")
    given = {} if patch_padding is None else {"patch_padding": patch_padding}
    model = load(path, task, **given)
    encoder = model.encoder
    size = next((name for name, size in SIZES.items() if size == encoder.size), "own size")
    outputs = {"pose": " of {} keypoints", "segmentation": " of {} classes"}
    what = model.task.name + outputs.get(model.task.name, "").format(model.outputs)
    height, width = encoder.image_size
    source = "as --patch-padding says"
    if patch_padding is None:
        source = "as stored"
        if not tells_its_configuration(path):
            source = "assumed, as the authors' models of this task; else give --patch-padding"
    echo(
        f"{path}: {what}, {size}, trained at {height} x {width} (height x width), patch padding "
        f"{encoder.patch_padding} ({source})",
        err=True,
    )
    return model


def input_size(text: str | None) -> tuple[int, int] | None:
    """Height and width of --size."""
    if text is None:
        return None
    parts = text.lower().split("x")
    sides = [int(part) for part in parts if part.isdecimal() and len(part) < 6]
    if len(sides) != 2 or len(parts) != 2 or any(side % 16 or side == 0 for side in sides):
        raise WebbodyError(
            f"--size {text}: give height x width in multiples of 16, as in 1024x768."
        )
    return sides[0], sides[1]


def fit_of(text: str) -> "Fit":
    """The value of --fit."""
    if text == "squeeze":
        return "squeeze"
    if text == "letterbox":
        return "letterbox"
    raise WebbodyError(f"--fit {text}: give squeeze or letterbox.")


def dtype_of(text: str) -> "torch.dtype":
    """The value of --dtype."""
    import torch

    known = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
    if text not in known:
        raise WebbodyError(f"--dtype {text}: give float32, bfloat16 or float16.")
    return known[text]


def device_of(text: str) -> str:
    """The value of --device, chosen where it is auto."""
    import torch

    if text not in ("auto", "cpu", "cuda"):
        raise WebbodyError(f"--device {text}: give auto, cpu or cuda.")
    if text == "cuda" and not torch.cuda.is_available():
        raise WebbodyError("--device cuda: torch finds no CUDA device here; give auto or cpu.")
    return ("cuda" if torch.cuda.is_available() else "cpu") if text == "auto" else text
