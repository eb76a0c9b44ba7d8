"""Folders that appear whole or not at all; ranks agree on whether one could be written."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch.distributed as dist
from safetensors import SafetensorError

from webbody.errors import WebbodyError


@contextmanager
def written(final: Path, partial: Path, group: Any = None) -> Iterator[None]:
    """Where the block cannot write what will be `final`, what there is of it, `partial`, goes.

    Every rank enters it. Its end is a barrier: where one rank fails, all raise the WebbodyError
    that tells why, instead of waiting for the one that is gone.
    """
    problem = None
    try:
        yield
    except (OSError, SafetensorError) as error:
        problem = error
    told = _first_told(None if problem is None else str(problem), group)
    if told is not None:
        shutil.rmtree(partial, ignore_errors=True)
        raise WebbodyError(
            f"{final} could not be written ({told}); make room and run the same command again to "
            "go on from the newest checkpoint"
        ) from problem


def put_in_place(partial: Path, final: Path) -> None:
    """Gives a folder its final name, once its files have reached the disk.

    Two moves, as a folder cannot be replaced in one: a kill between them leaves the old one under
    the name .old.
    """
    for path in [*partial.rglob("*"), partial]:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    old = final.with_name(final.name + ".old")
    if final.exists():
        shutil.rmtree(old, ignore_errors=True)
        os.replace(final, old)
    os.replace(partial, final)
    shutil.rmtree(old, ignore_errors=True)


def _first_told(text: str | None, group: Any) -> str | None:
    """What the first rank that has something to tell tells."""
    if not (dist.is_available() and dist.is_initialized()):
        return text
    found: list[str | None] = [None] * dist.get_world_size(group)
    dist.all_gather_object(found, text, group=group)
    return next((one for one in found if one is not None), None)
