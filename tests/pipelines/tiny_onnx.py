"""An ONNX model whose features can be told by looking: mean colours of an image's regions."""

from pathlib import Path

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper, save_model


def write_region_means(
    path: Path,
    size: tuple[int | str, int | str],
    regions: tuple[int, int],
    batch: int | str = "n",
    cell: tuple[int, int] | None = None,
    dtype: int = TensorProto.FLOAT,
    factor: float = 1.0,
    outside: str = "",
) -> Path:
    """Writes a model of images (batch, 3, *size); returns its path.

    A feature is `factor` times the means of the channels over rows x columns of `regions`, channel
    by channel. cell: sides of a region, where `size` has names. outside: a file beside it for the
    factor.
    """
    cell = cell or tuple(int(side) // count for side, count in zip(size, regions, strict=True))
    width = 3 * regions[0] * regions[1]
    numbers = np.full(width, factor, helper.tensor_dtype_to_np_dtype(dtype))
    graph = helper.make_graph(
        [
            helper.make_node("AveragePool", ["image"], ["means"], kernel_shape=cell, strides=cell),
            helper.make_node("Flatten", ["means"], ["flat"]),
            helper.make_node("Mul", ["flat", "factor"], ["feature"]),
        ],
        "means",
        [helper.make_tensor_value_info("image", dtype, [batch, 3, *size])],
        [helper.make_tensor_value_info("feature", dtype, [batch, width])],
        [numpy_helper.from_array(numbers, "factor")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    checker.check_model(model)
    places = {"save_as_external_data": True, "location": outside, "size_threshold": 0}
    save_model(model, path, **(places if outside else {}))
    return path
