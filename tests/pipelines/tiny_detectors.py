"""Hand-made person detectors whose one box has a score that tells the channels they are given."""

import warnings
from collections.abc import Mapping
from pathlib import Path

import onnx
import torch

SIDE = 64
BOX = (8.0, 16.0, 40.0, 56.0)  # xyxy in pixels of the input
WEAK, OTHER = (8.0, 16.0, 40.0, 48.0), (48.0, 8.0, 60.0, 30.0)  # doubled; of another class


class Detector(torch.nn.Module):
    """The score of BOX is `gain` times the mean of the input's first channel, plus `offset`.

    layout: `dets` and labels (RTMDet, YOLOX with suppression), `cells` (YOLOX's grid), `rtmo`, or
    `yolo` (ultralytics' raw output, `classes` many, the person being class `person`).
    """

    def __init__(self, layout: str, gain: float, offset: float, classes: int, person: int):
        super().__init__()
        self.layout, self.gain, self.offset = layout, gain, offset
        self.classes, self.person = classes, person

    def forward(self, image):
        score = (image[:, 0].mean() * self.gain + self.offset).reshape(1)
        if self.layout == "cells":
            return self._cells(score)
        if self.layout == "yolo":
            return self._yolo(score)
        rows = [torch.cat([torch.tensor(BOX), score])]
        if self.layout == "rtmo":
            marks = torch.arange(17.0).reshape(17, 1) + torch.tensor([[8.0, 16.0]])
            return rows[0][None, None], torch.cat([marks, score.expand(17, 1)], 1)[None, None]
        rows.append(torch.cat([torch.tensor(OTHER), score]))  # a thing of class 1
        return torch.stack(rows)[None], torch.tensor([[0, 1]])

    def _cells(self, score):
        """YOLOX's grid: offsets, logarithms of sizes, objectness, classes; the person in cell 0."""
        count = sum((SIDE // stride) ** 2 for stride in (8, 16, 32))
        cells = torch.zeros(1, count, 7)
        x1, y1, x2, y2 = BOX
        first = torch.tensor(
            [(x1 + x2) / 16, (y1 + y2) / 16]
            + [float(torch.tensor((side) / 8).log()) for side in (x2 - x1, y2 - y1)]
        )
        row = torch.cat([first, torch.ones(1), score, torch.zeros(1)])
        return torch.cat([row.reshape(1, 1, 7), cells[:, 1:]], 1)

    def _yolo(self, score):
        """Ultralytics' raw output (1, 4 + classes, N): centre, size, class scores."""
        columns = []
        for (x1, y1, x2, y2), weight, number in (
            (BOX, 1.0, self.person), (WEAK, 0.9, self.person), (OTHER, 1.0, 1 - self.person),
        ):  # fmt: skip
            box = torch.tensor([(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1])
            share = torch.tensor([weight * (other == number) for other in range(self.classes)])
            columns.append(torch.cat([box, share * score]))
        return torch.stack(columns, 1)[None]


NAMES = {
    "dets": ["dets", "labels"],
    "cells": ["output"],
    "rtmo": ["dets", "keypoints"],
    "yolo": ["output0"],
}


def export(
    path: Path,
    layout: str,
    gain: float,
    offset: float = 0.0,
    metadata: Mapping[str, str] | None = None,
    classes: int = 2,
    person: int = 0,
) -> str:
    network = Detector(layout, gain, offset, classes, person).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # constants are meant to be constants
        torch.onnx.export(
            network, (torch.zeros(1, 3, SIDE, SIDE),), str(path), input_names=["input"],
            output_names=NAMES[layout], opset_version=13, dynamo=False,
        )  # fmt: skip
    model = onnx.load(path)
    for key, value in (metadata or {}).items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    onnx.save(model, path)
    return str(path)
