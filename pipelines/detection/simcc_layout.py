"""Checks that an ONNX file has the layout of a SimCC keypoint model."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.detection.simcc import SPLIT
from webbody.errors import WebbodyError

#: Numbers of keypoints that can be read: COCO's body and COCO-WholeBody.
LAYOUTS = (17, 133)

_CHOOSE = "choose a SimCC file of RTMPose, RTMW or DWPose"


def input_size_of(path: Path, session: Any, given: tuple[int, int] | None) -> tuple[int, int]:
    """Width and height of the file's input; WebbodyError without SimCC layout."""
    outputs = session.get_outputs()
    if len(outputs) != 2:
        what = f"has {len(outputs)} output{'s' * (len(outputs) != 1)}"
        if len(outputs) == 1 and len(outputs[0].shape) == 4:
            what = "gives heatmaps"
        raise WebbodyError(f"{path}: {what}, not the two of a SimCC keypoint model; {_CHOOSE}.")
    inputs = session.get_inputs()
    if len(inputs) != 1 or len(inputs[0].shape) != 4:
        raise WebbodyError(
            f"{path}: takes {len(inputs)} inputs of {[len(i.shape) for i in inputs]} axes, not one "
            f"batch of images (N, 3, height, width); {_CHOOSE}."
        )
    width, height = inputs[0].shape[3], inputs[0].shape[2]
    if not (isinstance(width, int) and isinstance(height, int)):
        # Some exports leave the input's size open; it follows from the number of bins.
        bins = [output.shape[-1] if output.shape else None for output in outputs]
        width, height = (side // SPLIT if isinstance(side, int) else None for side in bins)
    if not (isinstance(width, int) and isinstance(height, int)):
        if given is None:
            raise WebbodyError(
                f"{path}: does not say how large its input is; set keypoints.input_size to its "
                "width and height, such as [192, 256]."
            )
        return given
    if given is not None and tuple(given) != (width, height):
        raise WebbodyError(
            f"{path}: takes {width} x {height} px; set keypoints.input_size to "
            f"[{width}, {height}], or leave it out."
        )
    return width, height


def points_of(path: Path, outputs: list[NDArray[np.float32]], size: tuple[int, int]) -> int:
    """The number of points of a file, from its outputs for one batch."""
    axes = [output.ndim for output in outputs]
    if axes != [3, 3]:
        raise WebbodyError(
            f"{path}: its outputs have {axes[0]} and {axes[1]} axes, not the three (N, points, "
            f"bins) of a SimCC keypoint model; {_CHOOSE}."
        )
    bins, given = [output.shape[2] for output in outputs], [SPLIT * side for side in size]
    if bins != given:
        raise WebbodyError(
            f"{path}: gives {bins[0]} and {bins[1]} bins for x and y of {size[0]} x {size[1]} px, "
            f"not {SPLIT} a pixel ({given[0]} and {given[1]}); check keypoints.input_size or "
            f"{_CHOOSE}."
        )
    counts = [output.shape[1] for output in outputs]
    if counts[0] not in LAYOUTS or counts[1] != counts[0]:
        told = f"{counts[0]}" if counts[0] == counts[1] else f"{counts[0]} and {counts[1]}"
        raise WebbodyError(
            f"{path}: gives {told} keypoints; choose a model with COCO's 17 or COCO-WholeBody's "
            "133."
        )
    return int(counts[0])
