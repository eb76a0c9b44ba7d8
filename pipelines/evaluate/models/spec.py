"""Specifications of other models: an ONNX file, a timm model, or a YAML file."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from webbody.config import Section, load_as
from webbody.errors import WebbodyError

TIMM = "timm:"

Side = Annotated[int, Field(ge=1, le=4096)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Spec(Section):
    """A model's YAML file; missing values are the model's own, or defaults of face recognition."""

    onnx: str | None = Field(None, description="an ONNX file, from images to features")
    timm: str | None = Field(None, description="name of a model of timm")
    weights: str | None = Field(
        None, description="weights of the timm model (.safetensors, .pth); else its pretrained ones"
    )
    size: tuple[Side, Side] | None = Field(None, description="height and width in pixels")
    mean: tuple[Number, Number, Number] | None = Field(
        None, description="subtracted from pixels in 0 to 1, in the order of `channels`"
    )
    std: tuple[Positive, Positive, Positive] | None = Field(
        None, description="what the rest is divided by"
    )
    channels: Literal["rgb", "bgr"] = Field("rgb", description="order of the channels")
    fit: Literal["pad", "stretch"] | None = Field(
        None,
        description="how a picture gets the size: padded with white to a square, or its own "
        "rectangle stretched; pad for squares, else stretch, if not given",
    )
    interpolation: Literal["bilinear", "bicubic"] | None = Field(
        None, description="of a rectangle that is stretched"
    )


def read_spec(text: str) -> Spec | None:
    """What `FILE.onnx`, `timm:NAME`, `timm:NAME@WEIGHTS` or `FILE.yaml` says; None for all else.

    Paths in a YAML file start at its folder. Raises WebbodyError for one of another form, and where
    a file is missing.
    """
    path = Path(text).expanduser()
    if text.startswith(TIMM):
        name, _, weights = text.removeprefix(TIMM).partition("@")
        spec, folder = Spec(timm=name, weights=weights or None), Path()
    elif path.suffix == ".onnx":
        spec, folder = Spec(onnx=str(path)), Path()
    elif path.suffix in (".yaml", ".yml"):
        spec, folder = load_as(Spec, path, listed_by="docs/evaluation.md"), path.parent
    else:
        return None
    if bool(spec.onnx) == bool(spec.timm) or (spec.onnx and spec.weights):
        raise WebbodyError(
            f"{text}: name one model: `onnx: FILE`, or `timm: NAME` and its `weights: FILE`."
        )
    for name in ("onnx", "weights"):
        file = getattr(spec, name)
        if file is not None:
            place = folder / Path(file).expanduser()
            if not place.is_file():
                raise WebbodyError(f"{text}: there is no such file {place}; check the path.")
            setattr(spec, name, str(place))
    return spec
