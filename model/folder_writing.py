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
def all_or_nothing(final: Path, partial: Path, group: Any = None) -> Iterator[None]:
    """Remove `partial`, the unfinished `final`, when the block fails to write it.

    Every rank enters it. Its end is a barrier: when one rank fails, all raise the same
    WebbodyError instead of waiting for that rank.
    """
    problem = None
    try:
        yield
    except (OSError, SafetensorError) as error:
        problem = error
    reason = first_problem(None if problem is None else str(problem), group)
    if reason is not None:
        shutil.rmtree(partial, ignore_errors=True)
        raise WebbodyError(
            f"{final} could not be written ({reason}); make room and run the same command again to "
            "go on from the newest checkpoint"
        ) from problem


def put_in_place(partial: Path, final: Path) -> None:
    """Flush a folder's files to the disk, then give it its final name.

    An existing folder is moved away first: a kill between the two moves leaves it as NAME.old.
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


def first_problem(text: str | None, group: Any = None) -> str | None:
    """What the first rank with a problem says of it; None where none has. Every rank calls it."""
    if not (dist.is_available() and dist.is_initialized()):
        return text
    found: list[str | None] = [None] * dist.get_world_size(group)
    dist.all_gather_object(found, text, group=group)
    return next((one for one in found if one is not None), None)
