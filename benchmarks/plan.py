"""Planning: time and peak memory as the manifest grows, and the cost of resuming finished builds.

    python -m benchmarks.plan [--rows 1000000] [--shards 1000]

Prints seconds and peak memory of planning N, 2 N and 4 N rows (linear time: a ratio near 2 from
line to line; bounded memory: a ratio near 1), and the seconds per 1,000 shards that it takes to see
that a finished build has nothing to do. Each figure is taken in a process of its own.
"""

import argparse
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.figures import Figures, add_option
from pipelines.base.stage import ALL, run_shard
from pipelines.engine.graph import FROM_NAMES, input_digests, is_done, tasks
from pipelines.stages.plan import Plan
from webbody.commit import Output, Record, record_name
from webbody.config import BuildConfig, PlanSettings
from webbody.manifest import Manifest
from webbody.storage import Folder


def write_manifest(path: Path, rows: int) -> None:
    """A shuffled manifest of about 25 rows a name, as WebFace260M's lists have."""
    rng = np.random.default_rng(0)
    with pq.ParquetWriter(path, pa.schema([("url", pa.string()), ("name", pa.string())])) as out:
        for start in range(0, rows, 1_000_000):
            count = min(1_000_000, rows - start)
            names = rng.integers(0, max(1, rows // 25), count)
            urls = [
                f"https://images.example/{n % 977}/{start + i:012d}.jpg"
                for i, n in enumerate(names)
            ]
            out.write_table(pa.table({"url": urls, "name": [f"name {n:09d}" for n in names]}))


def plan(manifest: str, out: str) -> tuple[float, float]:
    """Seconds and peak memory (MiB) of planning."""
    started = time.perf_counter()
    with Manifest(manifest) as opened:
        stage = Plan(PlanSettings(rows_per_shard=5000), opened)
        run_shard(stage, Folder(out), ALL, "f", {})
    seconds = time.perf_counter() - started
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def resume(out: str, count: int) -> tuple[float, float]:
    """Seconds to find `count` shards of every per-shard stage committed, and peak memory (MiB)."""
    folder, graph = Folder(out), tasks(BuildConfig(), {})
    shards = [f"{i:08x}" for i in range(count)]
    cache: dict = {}
    for node in FROM_NAMES.stages:
        if node.is_global:
            outputs = {f"{shard}.parquet": Output("0", 1) for shard in shards}
            for shard in shards:
                folder.write_bytes(f"{node.name}/{shard}.parquet", b"1")
            inputs = input_digests(folder, graph[node.name], ALL, shards, cache) or {}
            _commit(folder, graph, node.name, ALL, inputs, outputs)
            continue
        for shard in shards:
            folder.write_bytes(f"{node.name}/{shard}.parquet", b"1")
            inputs = input_digests(folder, graph[node.name], shard, shards, cache) or {}
            _commit(folder, graph, node.name, shard, inputs, {f"{shard}.parquet": Output("0", 1)})
    started = time.perf_counter()
    cache = {}
    undone = [
        (node.name, shard)
        for node in FROM_NAMES.stages
        if node.name != "plan"
        for shard in ((ALL,) if node.is_global else shards)
        if not is_done(folder, graph[node.name], shard, shards, cache)
    ]
    seconds = time.perf_counter() - started
    assert not undone, undone[:3]
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _commit(folder, graph, stage, shard, inputs, outputs) -> None:
    record = Record(stage, shard, graph[stage].fingerprint, inputs, outputs, {"in": 1, "out": 1})
    folder.write_bytes(record_name(stage, shard), record.to_json())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--shards", type=int, default=1000)
    add_option(parser)
    arguments = parser.parse_args()
    figures = Figures("plan", arguments)
    context = multiprocessing.get_context("spawn")
    print(f"{'rows':>12} {'seconds':>9} {'ratio':>6} {'peak MiB':>9} {'ratio':>6}")
    before: tuple[float, float] | None = None
    with tempfile.TemporaryDirectory() as scratch:
        for factor in (1, 2, 4):
            manifest = Path(scratch) / f"{factor}.parquet"
            write_manifest(manifest, factor * arguments.rows)
            with context.Pool(1) as pool:
                took = pool.apply(plan, (str(manifest), f"{scratch}/out{factor}"))
            rows, shown = factor * arguments.rows, ["", ""]
            if before:
                ratios = [a / b for a, b in zip(took, before, strict=True)]
                shown = [f"{ratio:.2f}" for ratio in ratios]
                for what, ratio in zip(("time", "memory"), ratios, strict=True):
                    figures.ratio(f"{what} of {factor} N", ratio)
            print(
                f"{rows:12,} {took[0]:9.1f} {shown[0]:>6} {took[1]:9.0f} {shown[1]:>6}", flush=True
            )
            figures.row(rows=rows, seconds=took[0], peak_mib=took[1])
            before = took
        with context.Pool(1) as pool:
            seconds, memory = pool.apply(resume, (f"{scratch}/resume", arguments.shards))
    figures.row(shards=arguments.shards, seconds_with_nothing_to_do=seconds, peak_mib=memory)
    print(
        f"\nnothing to do: {1000 * seconds / arguments.shards:.2f} s per 1,000 shards "
        f"({len(FROM_NAMES.stages)} stages, {memory:.0f} MiB)"
    )


if __name__ == "__main__":
    main()
