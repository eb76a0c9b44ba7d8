"""Importing lists: lines a second beside DuckDB reading the same list alone, and peak memory.

    python -m benchmarks.manifest [--lines 5000000] [--rounds 3] [--formats text text.zst csv jsonl]

The list is made up, as the authors' has it: index, label, URL; a line of 1,000 is broken. DuckDB
reads its columns and hands them over as Arrow batches, no more; the import checks every line and
writes the manifest and the rejected lines. Both in turns, each in a process of its own; rates are
medians, memory is the largest seen.
"""

import argparse
import csv
import json
import multiprocessing
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

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


def read_alone(path: str, kind: str) -> tuple[float, float, int]:
    """DuckDB: seconds, peak memory (MiB), rows."""
    import duckdb

    started = time.perf_counter()
    with duckdb.connect() as database:
        source = _SQL[kind.partition(".")[0]].format(path)
        reader = database.execute(f"SELECT * FROM {source}").to_arrow_reader(100_000)
        count = sum(batch.num_rows for batch in reader)
    return time.perf_counter() - started, peak(), count


def import_list(path: str, kind: str) -> tuple[float, float, int]:
    """webbody: seconds, peak memory (MiB), lines that are accounted for."""
    from webbody.manifest import Manifest
    from webbody.manifest.importing import import_manifest

    started = time.perf_counter()
    with Manifest(path) as manifest:
        tally = import_manifest(manifest, f"{path}.parquet")
    assert tally.rejected and tally.accepted + tally.rejected + tally.header == tally.lines
    return time.perf_counter() - started, peak(), tally.lines - tally.header


def peak() -> float:
    """Peak memory of this process and those that it started, MiB."""
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(resource.getrusage(one).ru_maxrss for one in who) / 1024


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
    print(f"{'list':>9} {'DuckDB':>12} {'import':>12} {'ratio':>6} {'peak MiB':>9}")
    with tempfile.TemporaryDirectory() as scratch:
        for kind in arguments.formats:
            path = str(write_list(Path(scratch), kind, arguments.lines))
            seconds: dict[Callable[..., object], list[float]] = {read_alone: [], import_list: []}
            memory = 0.0
            for _ in range(arguments.rounds):
                for what in seconds:
                    with context.Pool(1) as pool:
                        took, used, lines = pool.apply(what, (path, kind))
                    seconds[what].append(took)
                    if what is import_list:
                        memory = max(memory, used)
                        assert lines == arguments.lines
            alone, ours = (arguments.lines / statistics.median(s) for s in seconds.values())
            figures.row(list=kind, duckdb=alone, imported=ours, peak_mib=memory)
            figures.ratio(kind, ours / alone)
            figures.ratio(f"{kind}, GiB", memory / 1024)
            print(
                f"{kind:>9} {alone:10,.0f}/s {ours:10,.0f}/s {ours / alone:6.2f} {memory:9.0f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
