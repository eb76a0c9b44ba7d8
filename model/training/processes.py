"""Process group and device of a run; file errors become WebbodyError."""

import gc
import os
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from safetensors import SafetensorError

from webbody.errors import WebbodyError


@contextmanager
def on_device(settings: Mapping[str, Any]) -> Iterator[str]:
    """Yield the device of this process; under torchrun, torch.distributed is initialised.

    Errors of files are raised as WebbodyError, which the user can fix; others are re-raised.
    """
    device = _device(settings["resources"]["device"])
    if device.startswith("cuda"):
        torch.cuda.set_device(device)
    several = "WORLD_SIZE" in os.environ and not dist.is_initialized()
    if several:
        dist.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    try:
        yield device
    except (OSError, SafetensorError) as error:
        # An error of a full disk does not name the file.
        where = getattr(error, "filename", None) or settings["out"]
        what = getattr(error, "strerror", None) or error
        raise WebbodyError(
            f"{where}: {what}; checkpoints are kept: fix it, make room if need be, and run the "
            "same command again"
        ) from error
    finally:
        if several and dist.is_initialized():
            leave_processes()


def leave_processes() -> None:
    """Leave torch.distributed and end all of its threads.

    Gloo's threads end with the last reference to their group; a thread that frees a tensor while
    the interpreter shuts down aborts the process. References remain in cycles of modules and in
    the frames of a propagating error.
    """
    dist.destroy_process_group()
    error = sys.exception()
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__context__
    gc.collect()


def _device(setting: str) -> str:
    if setting == "auto":
        setting = "cuda" if torch.cuda.is_available() else "cpu"
    if setting == "cuda" and not torch.cuda.is_available():
        raise WebbodyError("resources.device is cuda, but torch sees no GPU here")
    return f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if setting == "cuda" else setting
