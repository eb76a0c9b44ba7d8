"""A small whole-body keypoint network in the style of RTMPose (SimCC), as rtmlib reads it."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from webbody.skeleton import COUNT, WHOLEBODY133

WIDTH, HEIGHT = 192, 256  # px of the input
SPLIT = 2  # bins per px, on both axes
BETA = 10  # a softmax over BETA times the logits is what the loss sees, as RTMPose's does
_CHANNELS = (16, 24, 40, 56, 72)
_NECK = 48


def _conv(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU(True))


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        convolution = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.body = nn.Sequential(_conv(channels, channels), convolution, nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.body(x))


class KeypointNetwork(nn.Module):
    """Backbone, feature pyramid, a map a point, from it a line of bins an axis; 1.1 M parameters.

    Input (B, 3, 256, 192), normalised RGB. Output: logits of x (B, 19, 384) and of y (B, 19, 512).
    """

    def __init__(self) -> None:
        super().__init__()
        c2, c4, c8, c16, c32 = _CHANNELS
        self.stem = nn.Sequential(_conv(3, c2, 2), _conv(c2, c4, 2))
        self.stage8 = nn.Sequential(_conv(c4, c8, 2), _Residual(c8))
        self.stage16 = nn.Sequential(_conv(c8, c16, 2), _Residual(c16))
        self.stage32 = nn.Sequential(_conv(c16, c32, 2), _Residual(c32), _Residual(c32))
        self.lateral8, self.lateral16, self.lateral32 = (
            nn.Conv2d(channels, _NECK, 1) for channels in (c8, c16, c32)
        )
        self.maps = nn.Sequential(_conv(_NECK, _NECK), nn.Conv2d(_NECK, COUNT, 1))
        cells = (WIDTH // 8) * (HEIGHT // 8)
        self.x = nn.Linear(cells, WIDTH * SPLIT)
        self.y = nn.Linear(cells, HEIGHT * SPLIT)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        x8 = self.stage8(self.stem(image))
        x16 = self.stage16(x8)
        x32 = self.stage32(x16)
        pyramid = self.lateral16(x16) + F.interpolate(self.lateral32(x32), scale_factor=2.0)
        pyramid = self.lateral8(x8) + F.interpolate(pyramid, scale_factor=2.0)
        maps = self.maps(pyramid).flatten(2)
        # Divided here, so that the layers learn at the scale of the loss.
        return self.x(maps) / BETA, self.y(maps) / BETA


class _ExportedKeypoints(nn.Module):
    """Logits of all 133 whole-body points; those that the demo does not have are flat."""

    source: Tensor

    def __init__(self, network: KeypointNetwork) -> None:
        super().__init__()
        self.network = network
        source = torch.full((133,), COUNT)
        source[torch.from_numpy(WHOLEBODY133)] = torch.arange(COUNT)
        self.register_buffer("source", source)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        x, y = self.network(image)
        return self._whole_body(x), self._whole_body(y)

    def _whole_body(self, logits: Tensor) -> Tensor:
        return torch.cat([logits, torch.zeros_like(logits[:, :1])], 1)[:, self.source]


def export(network: KeypointNetwork, path: Path) -> None:
    """Write the network as ONNX: `input` (B, 3, 256, 192) -> `simcc_x`, `simcc_y` of 133 points."""
    network = network.to(memory_format=torch.contiguous_format)
    names = ["simcc_x", "simcc_y"]
    torch.onnx.export(
        _ExportedKeypoints(network).eval(), (torch.zeros(1, 3, HEIGHT, WIDTH),), str(path),
        input_names=["input"], output_names=names, opset_version=12, dynamo=False,
        dynamic_axes={name: {0: "batch"} for name in ("input", *names)},
    )  # fmt: skip
