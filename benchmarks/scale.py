"""What a build of the size of WebBody's list costs: 94 M rows, 3.8 M names, 20,000 shards.

    python -m benchmarks.scale [PART ...] [--factor 0.1] [--json FILE]

Parts: plan (a made-up list, under a cap of 4 GiB, beside DuckDB that only sorts it), explain (a URL
of it), resume (a build with nothing to do, and its status), identities (names' centres, beside the
product of their matrix), person (one name with very many faces), shuffle (of the split stage),
memory (shards in a row in one process). Each is measured at `--factor` of its full size and at half
of that, in a process of its own. What is linear is extrapolated as

    seconds at full size = seconds measured * full size / size measured

beside the exponent that the two sizes show (1 is linear).
"""

import argparse
import math
import multiprocessing
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from benchmarks import scale_parts
from benchmarks.figures import Figures, add_option

_CAP = 4 << 30


@dataclass(frozen=True)
class Part:
    """Something to measure: its full size, what that counts, and a cap of memory in bytes.

    `is_fixed`: measured at the full size alone, whatever the factor.
    """

    work: Callable[[int, Path], scale_parts.Figures]
    full: int
    unit: str
    cap: int = 0
    is_fixed: bool = False


PARTS = {
    "plan": Part(scale_parts.plan, 94_000_000, "rows", _CAP),
    "explain": Part(scale_parts.explain, 94_000_000, "rows", _CAP),
    "resume": Part(scale_parts.resume, 20_000, "shards"),
    "identities": Part(scale_parts.identities, 60_000, "names", is_fixed=True),
    "person": Part(scale_parts.person, 20_000, "faces", is_fixed=True),
    "shuffle": Part(scale_parts.shuffle, 2_000_000, "samples"),
    "memory": Part(scale_parts.memory, 200, "shards", is_fixed=True),
}


def measure(part: Part, size: int, scratch: Path) -> scale_parts.Figures:
    """The figures of a part, from a new process."""
    # Not a Pool: its processes may have no children.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(scale_parts.capped, part.work, size, scratch, part.cap).result()


def run(names: list[str], factor: float, found: Figures, folder: Path) -> None:
    """Measure the parts, and print what they come to at full size."""
    for name in names:
        part = PARTS[name]
        sizes = [part.full // 3, part.full] if part.is_fixed else _sizes(part.full, factor)
        if name == "memory":
            sizes = [part.full]
        before: tuple[int, float] | None = None
        for size in sizes:
            figures = measure(part, size, folder)
            shown = ", ".join(f"{key} {value:.4g}" for key, value in figures.items())
            print(f"{name:<11} {size:>11,} {part.unit:<8} {shown}", flush=True)
            found.row(part=name, size=size, **figures)
            seconds = figures.get("seconds", figures.get("build", 0.0))
            if before and seconds:
                power = math.log(seconds / before[1]) / math.log(size / before[0])
                text = f"exponent {power:.2f}"
                if size != part.full:
                    whole = seconds * part.full / size
                    text += (
                        f"; {seconds:.1f} s * {part.full:,} / {size:,} = {whole:,.0f} s "
                        f"for {part.full:,} {part.unit}"
                    )
                print(f"{'':<11} {text}", flush=True)
            if "ratio" in figures and size == sizes[-1]:
                found.ratio(name, figures["ratio"])
            before = size, seconds


def _sizes(full: int, factor: float) -> list[int]:
    size = max(2, int(full * factor))
    return [size // 2, size]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--factor", type=float, default=0.1, help="of the full sizes")
    parser.add_argument("--folder", type=Path, help="for what is made; without it a temporary one")
    add_option(parser)
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    found = Figures("scale", arguments)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as scratch:
        run(arguments.parts or list(PARTS), arguments.factor, found, Path(scratch))
    return 0


if __name__ == "__main__":
    sys.exit(main())
