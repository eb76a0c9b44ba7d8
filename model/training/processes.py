"""The process and the device that a run has, and how its errors leave it."""

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
    """The device of this process, with torch.distributed if torchrun has started it.

    Files that cannot be read or written leave it as WebbodyError, like all else that the user must
    mend; mistakes of the program as they are.
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
        # Writing to a full disk does not tell the file.
        where = getattr(error, "filename", None) or settings["out"]
        what = getattr(error, "strerror", None) or error
        raise WebbodyError(
            f"{where}: {what}; checkpoints are kept: mend it, make room if need be, and run the "
            "same command again"
        ) from error
    finally:
        if several and dist.is_initialized():
            leave_processes()


def leave_processes() -> None:
    """Leaves torch.distributed, and no thread of it behind.

    Gloo's threads end with the last reference to their group. One that lets go of a tensor while
    the interpreter ends would abort the process, though all its work is done. References are left
    in cycles of modules, and in the frames of an error that is on its way out.
    """
    dist.destroy_process_group()
    error = sys.exception()
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__context__
    gc.collect()


def _device(wanted: str) -> str:
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    if wanted == "cuda" and not torch.cuda.is_available():
        raise WebbodyError("resources.device is cuda, but torch sees no GPU here")
    return f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if wanted == "cuda" else wanted
