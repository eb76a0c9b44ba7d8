"""The trainer's loader against raw JPEG decoding of the same pictures on the same cores.

    python -m benchmarks.loader

Shards of synthetic pictures are written into a temporary folder. Raw decoding has the files in
memory and throws the pixels away; the loader reads shards in shuffled order and puts batches
together. Both use the same number of processes and run in turns, and the ratio is that of the
medians, so that other work on the machine hits both alike. Target: at least 0.8.
"""

import argparse
import io
import json
import multiprocessing
import os
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageFilter
from torchvision.io import ImageReadMode, decode_jpeg

from benchmarks.figures import Figures, add_option
from model.training.data.loader import Loader
from model.training.data.order import Order
from model.training.data.table import Table, read_table
from model.training.steps.plan import TrainingStep
from webbody.shards import TarWriter


def _picture(generator: np.random.Generator, side: int) -> bytes:
    """A JPEG of about the size that a photo of a person takes."""
    blocks = Image.fromarray(generator.integers(0, 255, (12, 12, 3), np.uint8))
    smooth = blocks.resize((side, side), Image.Resampling.BICUBIC)
    noise = Image.fromarray(generator.integers(0, 255, (side, side, 3), np.uint8))
    mixed = Image.blend(smooth, noise.filter(ImageFilter.GaussianBlur(1)), 0.2)
    buffer = io.BytesIO()
    mixed.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def write_shards(folder: Path, images: int, side: int, per_shard: int = 500) -> list[bytes]:
    """Shards of images of 20 pictures a person, with keypoints anywhere; returns the JPEGs."""
    generator = np.random.default_rng(0)
    pictures = [_picture(generator, side) for _ in range(min(images, 200))]
    points = json.dumps({"keypoints": generator.uniform(0, side, (19, 3)).tolist()}).encode()
    for start in range(0, images, per_shard):
        with (folder / f"train-{start:06}.tar").open("wb") as file:
            tar = TarWriter(file)
            for number in range(start, min(start + per_shard, images)):
                tar.add(f"{number}.jpg", pictures[number % len(pictures)])
                tar.add(f"{number}.cls", str(number // 20).encode())
                tar.add(f"{number}.json", points)
            tar.close()
    return pictures


def _decode(pictures: list[bytes], count: int) -> float:
    """Images per second of one process."""
    torch.set_num_threads(1)
    files = [torch.frombuffer(bytearray(picture), dtype=torch.uint8) for picture in pictures]
    begin = time.perf_counter()
    for number in range(count):
        decode_jpeg(files[number % len(files)], ImageReadMode.RGB)
    return count / (time.perf_counter() - begin)


def _raw(pictures: list[bytes], count: int, workers: int) -> float:
    """Images per second of all processes together."""
    if workers < 2:
        return _decode(pictures, count)
    with multiprocessing.get_context("fork").Pool(workers) as pool:
        share = [(pictures, count // workers)] * workers
        return sum(pool.starmap(_decode, share, chunksize=1))


def _loaded(table: Table, side: int, workers: int, batches: list[int]) -> float:
    """Images per second while all workers run and every buffer has been filled once."""
    loader = Loader(table, Order(np.ones(len(table)), 0), side, workers=workers)
    starts = np.cumsum([0, *batches])
    steps = [TrainingStep(i, int(starts[i]), size, 146, 0.1) for i, size in enumerate(batches)]
    arrived = [time.perf_counter() for _ in loader(steps)]
    # In between are as many batches begun before as are finished after.
    first, last = len(steps) // 4, len(steps) - len(steps) // 8
    return sum(batches[first + 1 : last + 1]) / (arrived[last] - arrived[first])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--images", type=int, default=6000, help="in the shards, and about as many in each run"
    )
    parser.add_argument("--side", type=int, default=384, help="pixels")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each")
    parser.add_argument("--workers", type=int, nargs="+", default=[0, os.cpu_count() or 1])
    add_option(parser)
    arguments = parser.parse_args()
    figures = Figures("loader", arguments)
    torch.set_num_threads(1)
    side, images = arguments.side, arguments.images
    with tempfile.TemporaryDirectory() as folder:
        pictures = write_shards(Path(folder), images, side)
        begin = time.perf_counter()
        table = read_table([folder], f"{folder}/cache", processes=1)
        first = time.perf_counter() - begin
        begin = time.perf_counter()
        read_table([folder], f"{folder}/cache")
        again = time.perf_counter() - begin
        size = statistics.mean(map(len, pictures)) / 1000
        print(f"{images:,} pictures of {side} x {side}, {size:.1f} kB on average")
        print(
            f"table: {images / first:,.0f} samples/s in one process, {again:.3f} s from the cache"
        )
        print(f"{'workers':>8} {'raw images/s':>14} {'loader':>14} {'ratio':>6}")
        # Batches as the distribution of kept tokens makes them: from small to 128.
        batches = [13, 40, 58, 96, 128] * -(-images // 335)
        for workers in arguments.workers:
            raw, ours = [], []
            for _ in range(arguments.rounds):
                raw.append(_raw(pictures, images, workers))
                ours.append(_loaded(table, side, workers, batches))
            one, other = statistics.median(raw), statistics.median(ours)
            print(f"{workers:>8} {one:>14,.0f} {other:>14,.0f} {other / one:>6.2f}")
            figures.row(workers=workers, raw=one, loader=other)
            figures.ratio(f"{workers} workers", other / one)


if __name__ == "__main__":
    main()
