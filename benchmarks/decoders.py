"""Decoding in processes of its own beside decoding in the threads of the worker, on the same bytes.

    python -m benchmarks.decoders

In turns, with as many threads as cores: `threads` decodes in them, `processes` has it done by the
pool that the stages use. JPEGs of quality 85 by size; then good ones with a bomb among each 100,
which only the pool ends (no ratio: threads would have to wait for it).
"""

import argparse
import os
import statistics
import time
from concurrent.futures import ThreadPoolExecutor

from PIL import Image

from benchmarks.decode import _picture, _saved
from benchmarks.figures import Figures, add_option
from webbody.decoders.limits import DecodingLimits
from webbody.decoders.pool import Decoders
from webbody.images import MAX_PIXELS, ImageError, decode


def _seconds(threads: ThreadPoolExecutor, work, files: list[bytes]) -> float:
    begin = time.perf_counter()
    for _ in threads.map(lambda data: work(data, MAX_PIXELS).shape, files):
        pass
    return time.perf_counter() - begin


def _outcome(decoders: Decoders, data: bytes) -> str:
    try:
        decoders.decode(data, MAX_PIXELS)
    except ImageError as error:
        return error.outcome
    return "kept"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sides", type=int, nargs="+", default=[320, 720, 1080, 2160])
    parser.add_argument("--rounds", type=int, default=9, help="runs of each")
    parser.add_argument("--megapixels", type=int, default=60, help="decoded in a run")
    add_option(parser)
    arguments = parser.parse_args()
    figures = Figures("decoders", arguments)
    cores = len(os.sched_getaffinity(0))
    decoders = Decoders(cores)
    print(f"{'side':>6} {'kB':>6} {'threads/s':>10} {'processes/s':>12} {'ratio':>6}")
    with ThreadPoolExecutor(cores) as threads:
        for side in arguments.sides:
            data = _saved(_picture(side), "JPEG", quality=85)
            files = [data] * max(cores, arguments.megapixels * 1_000_000 // side**2)
            _seconds(threads, decoders.decode, files[: 2 * cores])
            inside, outside = [], []
            for _ in range(arguments.rounds):
                inside.append(_seconds(threads, decode, files))
                outside.append(_seconds(threads, decoders.decode, files))
            ratio = statistics.median(a / b for a, b in zip(inside, outside, strict=True))
            one, other = (len(files) / statistics.median(x) for x in (inside, outside))
            print(f"{side:>6} {len(data) // 1000:>6} {one:>10.0f} {other:>12.0f} {ratio:>6.2f}")
            figures.row(side=side, bytes=len(data), threads=one, processes=other)
            figures.ratio(f"side {side}", ratio)
        bomb = _saved(Image.new("RGB", (9900, 9900)), "JPEG", progressive=True)
        decoders = Decoders(cores, DecodingLimits(seconds=0, seconds_per_million=0))
        files = ([_saved(_picture(720), "JPEG", quality=85)] * 99 + [bomb]) * 3
        begin = time.perf_counter()
        found = list(threads.map(lambda data: _outcome(decoders, data), files))
        seconds = time.perf_counter() - begin
        kept, ended = found.count("kept"), found.count("image:too-large")
        print(f"with 3 bombs: {kept} kept, {ended} image:too-large, {seconds:.1f} s")
        figures.row(kept=kept, ended=ended, seconds=seconds)


if __name__ == "__main__":
    main()
