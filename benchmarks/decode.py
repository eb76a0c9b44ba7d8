"""The one decoder beside Pillow alone, by kind of file, on one core.

    python -m benchmarks.decode

Pillow opens, decodes and converts to RGB; ours also reads the header by itself, holds it to the
limits and turns colours into sRGB. Both run in turns on the same bytes, in processor time.
"""

import argparse
import io
import statistics
import time

import numpy as np
from PIL import Image, ImageFilter

from benchmarks.figures import Figures, add_option
from webbody.images import MAX_PIXELS, decode, probe
from webbody.picture_files.made_profile import SRGB_CURVE, Chromaticities, made_profile


def _picture(side: int) -> Image.Image:
    """Smooth colours with some grain, as photos have."""
    generator = np.random.default_rng(0)
    blocks = Image.fromarray(generator.integers(0, 255, (12, 12, 3), np.uint8))
    smooth = blocks.resize((side, side), Image.Resampling.BICUBIC)
    grain = Image.fromarray(generator.integers(0, 255, (side, side, 3), np.uint8))
    return Image.blend(smooth, grain.filter(ImageFilter.GaussianBlur(1)), 0.2)


def _saved(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _pillow(data: bytes) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(data)).convert("RGB"))


def _seconds(work, data: bytes, times: int) -> float:
    begin = time.process_time()
    for _ in range(times):
        work(data)
    return (time.process_time() - begin) / times


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--side", type=int, default=1000, help="pixels")
    parser.add_argument("--rounds", type=int, default=7, help="runs of each")
    parser.add_argument("--times", type=int, default=10, help="pictures in a run")
    add_option(parser)
    arguments = parser.parse_args()
    figures = Figures("decode", arguments)
    image = _picture(arguments.side)
    p3 = made_profile(Chromaticities((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)), SRGB_CURVE)
    files = {
        "JPEG": _saved(image, "JPEG", quality=90),
        "JPEG, progressive": _saved(image, "JPEG", quality=90, progressive=True),
        "JPEG, Display P3": _saved(image, "JPEG", quality=90, icc_profile=p3),
        "PNG": _saved(image, "PNG", compress_level=1),
        "WebP": _saved(image, "WEBP", quality=90),
        "AVIF": _saved(image, "AVIF", quality=80, speed=8),
    }
    print(f"{'file':>18} {'Pillow ms':>10} {'ours ms':>8} {'rate ratio':>10} {'probe ms':>9}")
    for name, data in files.items():
        pillow, ours, header = [], [], []
        for _ in range(arguments.rounds):
            pillow.append(_seconds(_pillow, data, arguments.times))
            ours.append(_seconds(lambda one: decode(one, MAX_PIXELS), data, arguments.times))
            header.append(_seconds(lambda one: probe(one, MAX_PIXELS), data, arguments.times))
        one, other, head = map(statistics.median, (pillow, ours, header))
        print(
            f"{name:>18} {1000 * one:>10.2f} {1000 * other:>8.2f} {one / other:>10.2f} "
            f"{1000 * head:>9.3f}"
        )
        figures.row(file=name, pillow_ms=1000 * one, ours_ms=1000 * other, header_ms=1000 * head)
        figures.ratio(name, one / other)


if __name__ == "__main__":
    main()
