"""ONNX files that make features of images.

Shape suffixes: B batch, N images of a block, C, H, W of images, F feature size.
"""

import hashlib
import mmap
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipelines.detection.devices import onnx_session
from pipelines.evaluate.models.network import Network, user_errors
from webbody import models
from webbody.errors import WebbodyError

_TYPES: dict[str, type[np.floating]] = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
#: How a tensor names the file that holds it, where this is another one than the model's.
_ELSEWHERE = re.compile(rb"\x0a\x08location\x12([\x01-\x7f])")


class OnnxModel(nn.Module):
    """A session as a module: images from any device, features on the same one.

    block: images that the session takes at once, where its batch is fixed.
    """

    def __init__(self, session: Any, dtype: type[np.floating], block: int | None) -> None:
        super().__init__()
        self._session, self._dtype, self._block = session, dtype, block
        self._input = session.get_inputs()[0].name

    def forward(self, images_BCHW: Tensor) -> Tensor:
        """The features (B, F) float32 of images (B, 3, H, W), normalised as the model wants it."""
        blocks = images_BCHW.cpu().split(self._block or len(images_BCHW))
        features = [self._run(block_NCHW)[: len(block_NCHW)] for block_NCHW in blocks]
        return torch.from_numpy(np.concatenate(features)).float().to(images_BCHW.device)

    def _run(self, block_NCHW: Tensor) -> np.ndarray:
        if self._block:
            block_NCHW = F.pad(block_NCHW, (0,) * 7 + (self._block - len(block_NCHW),))
        pixels_NCHW = block_NCHW.contiguous().numpy().astype(self._dtype)
        features: np.ndarray = self._session.run(None, {self._input: pixels_NCHW})[0]
        return features


def open_onnx(path: str, size: tuple[int, int] | None, device: str) -> Network:
    """The model of an ONNX file, on `cpu` or, where onnxruntime can, on `cuda`.

    size: height and width of its images, where the file leaves them open. Raises WebbodyError for
    files of another kind.
    """
    try:
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise WebbodyError(f"{path}: needs onnxruntime: pip install 'webbody[compare]'.") from error
    with user_errors(f"{path}: is no model that onnxruntime reads", "check the file"):
        session = onnx_session(path, device, torch.get_num_threads())
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or len(outputs) != 1:
        raise WebbodyError(
            f"{path}: has {len(inputs)} inputs and {len(outputs)} outputs; export it with one of "
            "images and one of features."
        )
    # Sides and batch are numbers where they are fixed, names or None where they are open.
    shape = [side if isinstance(side, int) else None for side in inputs[0].shape]
    if len(shape) != 4 or shape[1] not in (3, None) or inputs[0].type not in _TYPES:
        raise WebbodyError(
            f"{path}: its input is {inputs[0].type} of {inputs[0].shape}; export it for images "
            "(N, 3, H, W) of floats."
        )
    about = {"provider": session.get_providers()[0]}
    module = OnnxModel(session, _TYPES[inputs[0].type], shape[0])
    return Network(module, digest(path), about, _sides(path, shape[2], shape[3], size))


def digest(path: str) -> str:
    """sha256 of an ONNX file, and of those beside it in which it keeps its tensors."""
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        places = [(found.end(), found[1][0]) for found in _ELSEWHERE.finditer(content)]
        names = {content[start : start + length] for start, length in places}
    beside = [Path(path).parent / name.decode("utf-8", "replace") for name in sorted(names)]
    digests = [models.digest(file) for file in (Path(path), *beside) if file.is_file()]
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def _sides(
    path: str, height: int | None, width: int | None, size: tuple[int, int] | None
) -> tuple[int, int]:
    """The size of images: the file's, or the given one where the file leaves it open."""
    if size is None:
        if height is None or width is None:
            raise WebbodyError(
                f"{path}: leaves the size of its images open; give it in a YAML file with `onnx: "
                "FILE` and `size: [HEIGHT, WIDTH]`."
            )
        return height, width
    if size[0] != (height or size[0]) or size[1] != (width or size[1]):
        raise WebbodyError(
            f"{path}: takes images of {height or 'any'} x {width or 'any'}, not of "
            f"{size[0]} x {size[1]}; leave `size` out."
        )
    return size
