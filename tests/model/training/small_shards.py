"""Small shards for the tests of training data: pictures whose colour tells which one it is."""

import io
import json
from pathlib import Path

import numpy as np
from PIL import Image

from tests.written_shards import write_shard

SIDE = 32


def colour(number: int) -> tuple[int, int, int]:
    return (number * 37 % 256, number * 91 % 256, number * 53 % 256)


def picture(number: int, size: tuple[int, int] = (SIDE, SIDE), kind: str = "JPEG") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour(number)).save(buffer, kind, quality=95)
    return buffer.getvalue()


def members(number: int, size=(SIDE, SIDE), kind: str = "JPEG") -> dict[str, bytes]:
    """Person number // 2 of the data set, with number % 19 + 1 visible keypoints."""
    points = np.zeros((19, 3))
    points[: number % 19 + 1] = (0.25 * size[0], 0.75 * size[1], 1)
    ending = {"JPEG": "jpg", "PNG": "png"}[kind]
    return {
        f"k{number}.{ending}": picture(number, size, kind),
        f"k{number}.cls": str(number // 2).encode(),
        f"k{number}.json": json.dumps({"keypoints": points.tolist()}).encode(),
    }


def write_shards(folder: Path, count: int, per_shard: int) -> str:
    for start in range(0, count, per_shard):
        samples = [members(number) for number in range(start, min(start + per_shard, count))]
        write_shard(folder / f"train-{start // per_shard:03}.tar", *samples)
    return str(folder)
