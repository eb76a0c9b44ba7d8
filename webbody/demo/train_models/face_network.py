"""A small face detector in the style of SCRFD, with the outputs that insightface decodes."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

STRIDES = (8, 16, 32)
ANCHORS = 2  # per cell: insightface expects two wherever there are three strides
_CHANNELS = (16, 24, 40, 56, 80)
_NECK = 32


def _conv(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU(True))


def _stage(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        _conv(inputs, outputs, 2), _conv(outputs, outputs), _conv(outputs, outputs)
    )


class TinyFaceNetwork(nn.Module):
    """Backbone, feature pyramid down and up again, one head a stride; 0.4 M parameters.

    Input (B, 3, H, W): RGB, (value - 127.5) / 128; H and W multiples of 32. Output: logits (B, N),
    distances (B, N, 4) from the anchor point to left, top, right, bottom, and offsets (B, N, 10) of
    five landmarks x, y, both in units of the stride. The N anchors are those of `anchor_points`.
    """

    def __init__(self) -> None:
        super().__init__()
        first, second, *deeper = _CHANNELS
        self.stem = nn.Sequential(
            _conv(3, first, 2), _conv(first, second, 2), _conv(second, second)
        )
        inputs = [second, *deeper[:-1]]
        self.stages = nn.ModuleList(map(_stage, inputs, deeper))
        self.lateral = nn.ModuleList(nn.Conv2d(channels, _NECK, 1) for channels in deeper)
        self.smooth = nn.ModuleList(_conv(_NECK, _NECK) for _ in STRIDES)
        self.down = nn.ModuleList(_conv(_NECK, _NECK, 2) for _ in STRIDES[1:])
        self.heads = nn.ModuleList(
            nn.Sequential(_conv(_NECK, _NECK), _conv(_NECK, _NECK)) for _ in STRIDES
        )
        self.score = nn.ModuleList(nn.Conv2d(_NECK, ANCHORS, 1) for _ in STRIDES)
        self.box = nn.ModuleList(nn.Conv2d(_NECK, ANCHORS * 4, 1) for _ in STRIDES)
        self.landmark = nn.ModuleList(nn.Conv2d(_NECK, ANCHORS * 10, 1) for _ in STRIDES)
        for layer in self.score:  # nearly all anchors are background: start there
            assert isinstance(layer, nn.Conv2d) and layer.bias is not None
            nn.init.normal_(layer.weight, 0, 0.01)
            nn.init.constant_(layer.bias, -4.6)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        scores, boxes, landmarks = self.per_stride(image)
        return torch.cat(scores, 1)[..., 0], torch.cat(boxes, 1), torch.cat(landmarks, 1)

    def per_stride(self, image: Tensor) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """Logits (B, n, 1), distances (B, n, 4) and landmark offsets (B, n, 10) of every stride."""
        feature = self.stem(image)
        pyramid = []
        for stage, lateral in zip(self.stages, self.lateral, strict=True):
            feature = stage(feature)
            pyramid.append(lateral(feature))
        for level in (1, 0):
            pyramid[level] = pyramid[level] + F.interpolate(pyramid[level + 1], scale_factor=2.0)
        pyramid = [smooth(feature) for smooth, feature in zip(self.smooth, pyramid, strict=True)]
        for level in (1, 2):
            pyramid[level] = pyramid[level] + self.down[level - 1](pyramid[level - 1])
        features = [head(feature) for head, feature in zip(self.heads, pyramid, strict=True)]
        scores = [_rows(layer(x), 1) for layer, x in zip(self.score, features, strict=True)]
        boxes = [
            _rows(F.softplus(layer(x)), 4) for layer, x in zip(self.box, features, strict=True)
        ]
        marks = [_rows(layer(x), 10) for layer, x in zip(self.landmark, features, strict=True)]
        return scores, boxes, marks


def _rows(maps: Tensor, width: int) -> Tensor:
    """(B, ANCHORS * width, h, w) -> (B, h * w * ANCHORS, width)."""
    return maps.permute(0, 2, 3, 1).reshape(maps.shape[0], -1, width)


def anchor_points(size: int) -> Tensor:
    """Anchors of a square of `size` px: (N, 3) x, y, stride; a cell's point is its top left."""
    rows = []
    for stride in STRIDES:
        steps = torch.arange(0, size, stride, dtype=torch.float32)
        y, x = torch.meshgrid(steps, steps, indexing="ij")
        points = torch.stack([x, y, torch.full_like(x, stride)], -1).reshape(-1, 3)
        rows.append(points.repeat_interleave(ANCHORS, 0))
    return torch.cat(rows)


class _ExportedFaces(nn.Module):
    """The nine outputs of an SCRFD file: sigmoid scores, distances, landmarks, each per stride."""

    def __init__(self, network: TinyFaceNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        scores, boxes, landmarks = self.network.per_stride(image)
        outputs = [*map(torch.sigmoid, scores), *boxes, *landmarks]
        return tuple(output.flatten(0, 1) for output in outputs)


def export(network: TinyFaceNetwork, path: Path) -> None:
    """Write the detector as ONNX with free height and width, as `insightface` reads it."""
    network = network.to(memory_format=torch.contiguous_format)
    names = [f"{kind}_{stride}" for kind in ("score", "bbox", "kps") for stride in STRIDES]
    axes = {"input.1": {2: "height", 3: "width"}, **{name: {0: f"{name}_rows"} for name in names}}
    torch.onnx.export(
        _ExportedFaces(network).eval(), (torch.zeros(1, 3, 320, 320),), str(path),
        input_names=["input.1"], output_names=names, dynamic_axes=axes,
        opset_version=12, dynamo=False,
    )  # fmt: skip
