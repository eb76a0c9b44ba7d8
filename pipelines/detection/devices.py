"""Where models run: the torch device, and ONNX Runtime sessions with their threads."""

import os
from pathlib import Path
from typing import Any

from webbody.errors import WebbodyError


def choose_device(device: str) -> str:
    """`cpu` or `cuda` for a setting that may be `auto`; WebbodyError for cuda where none is."""
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise WebbodyError(
            "resources.device is cuda, but torch finds no CUDA device here; set it to auto or cpu, "
            "or give the stage's workers a GPU (resources.<stage>.gpus)."
        )
    return device


def onnx_options(threads: int) -> Any:
    """onnxruntime.SessionOptions with this many threads, which do not spin while idle."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors
    # Workers share cores: spinning threads would slow the others down.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def onnx_providers(device: str) -> list[Any]:
    """Execution providers for `cpu` or `cuda`; the CPU if this onnxruntime lacks CUDA."""
    import onnxruntime

    if device == "cuda" and "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        # The default search tries every algorithm again for each new input size.
        cuda = ("CUDAExecutionProvider", {"cudnn_conv_algo_search": "HEURISTIC"})
        return [cuda, "CPUExecutionProvider"]
    return ["CPUExecutionProvider"]


def onnx_session(path: str | Path, device: str, threads: int) -> Any:
    """An onnxruntime.InferenceSession for a file."""
    import onnxruntime

    return onnxruntime.InferenceSession(
        os.fspath(path), sess_options=onnx_options(threads), providers=onnx_providers(device)
    )
