"""SimCC files for tests: with random weights, and with given outputs."""

from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import helper, numpy_helper


def random_simcc(path: Path, points: int, batch: str = "free", size=(192, 256), split=2) -> str:
    """A file with random weights, whose logits lie between 0 and 1."""

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.pool = torch.nn.AdaptiveAvgPool2d((8, 6))
            self.x = torch.nn.Linear(144, points * size[0] * split)
            self.y = torch.nn.Linear(144, points * size[1] * split)

        def forward(self, image):
            features = self.pool(image).flatten(1)
            return (
                self.x(features).reshape(-1, points, size[0] * split).sigmoid(),
                self.y(features).reshape(-1, points, size[1] * split).sigmoid(),
            )

    torch.manual_seed(0)
    axes = {"input": {0: "batch"}} if batch == "free" else {}
    torch.onnx.export(
        Network().eval(), (torch.zeros(1, 3, size[1], size[0]),), str(path),
        input_names=["input"], output_names=["x", "y"], dynamic_axes=axes,
        opset_version=12, dynamo=False,
    )  # fmt: skip
    return str(path)


def given_outputs(path: Path, *arrays: NDArray, size=(192, 256), by_channel: bool = False) -> str:
    """A file for one crop that gives these arrays, or with `by_channel` these times a number.

    The number is the mean of the first channel of the network's input.
    """
    nodes, outputs, stored = [], [], [numpy_helper.from_array(np.array(0), "first")]
    nodes.append(helper.make_node("ReduceMean", ["input"], ["means"], axes=[2, 3], keepdims=0))
    nodes.append(helper.make_node("Gather", ["means", "first"], ["mean"], axis=1))
    for index, array in enumerate(arrays):
        stored.append(numpy_helper.from_array(np.asarray(array, np.float32), f"given{index}"))
        by = ("Mul", [f"given{index}", "mean"]) if by_channel else ("Identity", [f"given{index}"])
        nodes.append(helper.make_node(*by, [f"out{index}"]))
        outputs.append(helper.make_tensor_value_info(f"out{index}", 1, list(array.shape)))
    image = helper.make_tensor_value_info("input", 1, [1, 3, size[1], size[0]])
    graph = helper.make_graph(nodes, "given", [image], outputs, stored)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 12)], ir_version=8)
    onnx.save(model, str(path))
    return str(path)
