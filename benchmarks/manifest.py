"""Importing lists: lines a second beside DuckDB reading the same list alone, and peak memory.

    python -m benchmarks.manifest [--lines 5000000] [--rounds 3] [--formats text text.zst csv jsonl]

The list is made up, as the authors' has it: index, label, URL; a line of 1,000 is broken. DuckDB
reads its columns and hands them over as Arrow batches, no more; the import checks every line and
writes the manifest and the rejected lines. Both in turns, each in a process of its own; rates are
medians, memory is the largest seen. Where other programs share the cores the ratio of processor
time is the steadier one.
"""

import argparse
import csv
import json
import multiprocessing
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
import pyarrow as pa

from benchmarks.figures import Figures, add_option

#: A line of this many is broken.
BROKEN = 1000
_SQL = {
    "text": "read_csv('{}', header=false, delim=' ', quote='', escape='', auto_detect=false, "
    "columns={{'index': 'VARCHAR', 'label': 'VARCHAR', 'url': 'VARCHAR'}}, ignore_errors=true)",
    "csv": "read_csv('{}', header=true, all_varchar=true, ignore_errors=true)",
    "jsonl": "read_json('{}', format='newline_delimited', columns={{'url': 'VARCHAR', "
    "'name': 'VARCHAR'}}, ignore_errors=true)",
}


def rows(lines: int) -> Iterator[tuple[int, int, str]]:
    """Index, label and URL: about 25 a label, which stand together."""
    rng = np.random.default_rng(0)
    for start in range(0, lines, 500_000):
        count = min(500_000, lines - start)
        labels = start // 25 + np.sort(rng.integers(0, 20_000, count))
        hosts, files = rng.integers(0, 9973, count), rng.integers(0, 1 << 62, count)
        for i, (label, host, file) in enumerate(zip(labels, hosts, files, strict=True)):
            yield (
                start + i,
                label,
                f"https://images{host}.example/photos/{label % 997}/{file:016x}.jpg",
            )


def write_text(file: IO[str], lines: int) -> None:
    for index, label, url in rows(lines):
        broken = index % BROKEN == BROKEN - 1
        file.write(f"{index} x {url}\n" if broken else f"{index} {label} {url}\n")


def write_csv(file: IO[str], lines: int) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["url", "name"])
    for index, label, url in rows(lines):
        writer.writerow([url] if index % BROKEN == BROKEN - 1 else [url, label])


def write_jsonl(file: IO[str], lines: int) -> None:
    for index, label, url in rows(lines):
        line = json.dumps({"url": url, "name": str(label)})
        file.write(f"{line[:20] if index % BROKEN == BROKEN - 1 else line}\n")


WRITERS: dict[str, Callable[[IO[str], int], None]] = {
    "text": write_text,
    "csv": write_csv,
    "jsonl": write_jsonl,
}


def write_list(folder: Path, kind: str, lines: int) -> Path:
    """A list of this kind, where it is not there yet; `.gz` and `.zst` are compressed."""
    name, _, packed = kind.partition(".")
    path = folder / ("list.txt" if name == "text" else f"list.{name}")
    if not path.exists():
        with path.open("w", encoding="utf-8", newline="") as file:
            WRITERS[name](file, lines)
    if not packed:
        return path
    target = path.with_name(f"{path.name}.{packed}")
    codec = {"gz": "gzip", "zst": "zstd"}[packed]
    with path.open("rb") as source, pa.CompressedOutputStream(str(target), codec) as out:
        while data := source.read(1 << 22):
            out.write(data)
    return target


class Run(NamedTuple):
    """One run: seconds, those of a processor, peak memory (MiB), lines."""

    seconds: float
    processor: float
    peak: float
    lines: int


def read_alone(path: str, kind: str) -> Run:
    """DuckDB reads the list."""
    import duckdb

    def work() -> int:
        with duckdb.connect() as database:
            source = _SQL[kind.partition(".")[0]].format(path)
            reader = database.execute(f"SELECT * FROM {source}").to_arrow_reader(100_000)
            return sum(batch.num_rows for batch in reader)

    return measured(work)


def import_list(path: str, kind: str) -> Run:
    """webbody imports it, and accounts for every line."""
    from webbody.manifest import Manifest
    from webbody.manifest.importing import import_manifest

    def work() -> int:
        with Manifest(path) as manifest:
            tally = import_manifest(manifest, f"{path}.parquet")
        assert tally.rejected and tally.accepted + tally.rejected + tally.header == tally.lines
        return tally.lines - tally.header

    return measured(work)


def measured(work: Callable[[], int]) -> Run:
    """What a piece of work takes in this process, and in those that it starts."""
    times, started = os.times(), time.perf_counter()
    lines = work()
    seconds, after = time.perf_counter() - started, os.times()
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    peak = sum(resource.getrusage(one).ru_maxrss for one in who) / 1024
    return Run(seconds, sum(after[:4]) - sum(times[:4]), peak, lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--lines", type=int, default=5_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--formats", nargs="+", default=["text", "text.zst", "csv", "jsonl"], metavar="FORMAT"
    )
    add_option(parser)
    arguments = parser.parse_args()
    figures = Figures("manifest", arguments)
    context = multiprocessing.get_context("spawn")
    columns = ("list", "DuckDB", "import", "ratio", "processor", "peak MiB")
    print("".join(f"{column:>14}" for column in columns))
    with tempfile.TemporaryDirectory() as scratch:
        for kind in arguments.formats:
            path = str(write_list(Path(scratch), kind, arguments.lines))
            runs: dict[Callable[[str, str], Run], list[Run]] = {read_alone: [], import_list: []}
            for _ in range(arguments.rounds):
                for what in runs:
                    with context.Pool(1) as pool:
                        runs[what].append(pool.apply(what, (path, kind)))
            alone, ours = (middle(some) for some in runs.values())
            assert ours.lines == arguments.lines
            peak = max(run.peak for run in runs[import_list])
            rates = arguments.lines / alone.seconds, arguments.lines / ours.seconds
            figures.row(list=kind, duckdb=rates[0], imported=rates[1], peak_mib=peak)
            figures.ratio(kind, alone.seconds / ours.seconds)
            figures.ratio(f"{kind}, processor time", alone.processor / ours.processor)
            figures.ratio(f"{kind}, GiB", peak / 1024)
            ratios = f"{rates[1] / rates[0]:.2f}", f"{alone.processor / ours.processor:.2f}"
            shown = [kind, *(f"{rate:,.0f}/s" for rate in rates), *ratios, f"{peak:.0f}"]
            print("".join(f"{one:>14}" for one in shown), flush=True)


def middle(runs: list[Run]) -> Run:
    """The medians of some runs."""
    return Run(*(statistics.median(values) for values in zip(*runs, strict=True)))


if __name__ == "__main__":
    main()
