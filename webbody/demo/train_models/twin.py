"""A SimCC file as another beta would have made it: the same network, its logits rescaled.

    python -m webbody.demo.train_models.twin keypoints.onnx twin.onnx

A loss that takes the softmax of beta times the logits draws them to 1 / beta of the same values:
the demo's file is of the scale of RTMPose (beta 10), its twin of the scale of RTMW (beta 1).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np


def rescale(path: Path, out: Path, factor: float = 10) -> Path:
    """Write `path`'s ONNX file with its outputs times `factor` to `out`; returns `out`."""
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load(str(path))
    graph = model.graph
    graph.initializer.append(numpy_helper.from_array(np.array(factor, np.float32), "rescale"))
    outputs = {output.name: f"{output.name}_before" for output in graph.output}
    for node in graph.node:
        node.output[:] = [outputs.get(name, name) for name in node.output]
    for name, before in outputs.items():
        graph.node.append(helper.make_node("Mul", [before, "rescale"], [name]))
    onnx.save(model, str(out))
    return out


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m webbody.demo.train_models.twin")
    parser.add_argument("path", type=Path, help="SimCC file")
    parser.add_argument("out", type=Path, help="file to write")
    parser.add_argument("--factor", type=float, default=10, help="of the logits")
    arguments = parser.parse_args()
    rescale(arguments.path, arguments.out, arguments.factor)
