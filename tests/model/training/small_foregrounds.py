"""Small shards whose samples have foregrounds: the left part of a picture is the person."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from tests.model.training.small_shards import SIDE, members
from tests.written_shards import write_shard


def mask_of(number: int, size: tuple[int, int] = (SIDE, SIDE)) -> np.ndarray:
    """(H, W) uint8; the person is wider the higher the sample's number."""
    width, height = size
    mask = np.zeros((height, width), np.uint8)
    mask[:, : width * (number % 5 + 1) // 8] = 255
    return mask


def as_png(mask: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(mask).save(buffer, "PNG")
    return buffer.getvalue()


def with_foreground(number: int, size: tuple[int, int] = (SIDE, SIDE)) -> dict[str, bytes]:
    mask = as_png(mask_of(number, size))
    return {**members(number, size), f"k{number}.foreground.png": mask}


def write_foregrounds(
    folder: Path, count: int, per_shard: int, every: int = 1, side: int = SIDE
) -> str:
    """Every second sample, or so, has a foreground."""
    size = (side, side)
    for start in range(0, count, per_shard):
        numbers = range(start, min(start + per_shard, count))
        samples = [members(n, size) if n % every else with_foreground(n, size) for n in numbers]
        write_shard(folder / f"train-{start // per_shard:03}.tar", *samples)
    return str(folder)
