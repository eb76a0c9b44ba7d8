"""What `benchmarks.scale` measures, each part in a process of its own.

A part takes its size and a scratch folder, and returns figures by name.
"""

import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.made_shards import made_build
from benchmarks.plan import write_manifest
from pipelines.base.stage import ALL, Stage, run_shard
from webbody.commit import Record, record_name
from webbody.storage import Folder

Figures = dict[str, float]
_WIDTH = 512


def peak() -> float:
    """MiB that this process had in memory at most; ru_maxrss may be the parent's."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) / 1024


def capped(work: Callable[[int, Path], Figures], size: int, scratch: Path, cap: int) -> Figures:
    """The figures of a part; the process ends where it has more than `cap` bytes in memory.

    Not by a limit of the system's: those that a process can set count what libraries reserve and
    never touch, which is several times what they use. 0: no cap.
    """
    if cap:
        threading.Thread(target=_watch, args=(cap >> 20,), daemon=True).start()
    return work(size, scratch)


def _watch(mebibytes: int) -> None:
    while peak() <= mebibytes:
        time.sleep(0.05)
    print(f"more than {mebibytes:,} MiB in memory", file=sys.stderr, flush=True)
    os._exit(1)


def plan(rows: int, scratch: Path) -> Figures:
    """Planning a manifest of so many rows, beside DuckDB that only sorts it by name and URL."""
    from pipelines.stages.plan import Plan
    from webbody.config import PlanSettings
    from webbody.manifest import Manifest

    manifest = scratch / f"{rows}.parquet"
    write_manifest(manifest, rows)
    # In a process of its own: what DuckDB keeps of its memory would count for the plan.
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        sort = pool.apply(sort_alone, (manifest, scratch))
    out = scratch / f"plan-{rows}"
    started = time.perf_counter()
    with Manifest(str(manifest)) as opened:
        run_shard(Plan(PlanSettings(rows_per_shard=5000), opened), Folder(out), ALL, "f", {})
    seconds = time.perf_counter() - started
    size = sum(file.stat().st_size for file in (out / "plan").iterdir())
    return {
        "seconds": seconds,
        "sort": sort,
        "ratio": sort / seconds,
        "peak": peak(),
        "bytes": size / rows,
    }


def sort_alone(manifest: Path, scratch: Path) -> float:
    """Seconds that DuckDB takes to sort a manifest by name and URL into another file."""
    import duckdb

    started = time.perf_counter()
    with duckdb.connect(config={"memory_limit": "1GB", "temp_directory": str(scratch)}) as sorting:
        sorting.execute("set enable_progress_bar = false")
        sorting.execute("set preserve_insertion_order = false")
        sorting.execute(
            f"copy (select * from read_parquet('{manifest}') order by name, url) "
            f"to '{scratch}/sorted.parquet'"
        )
    (scratch / "sorted.parquet").unlink()
    return time.perf_counter() - started


def explain(rows: int, scratch: Path) -> Figures:
    """Finding a URL in the plan that `plan` made; the mean of a row at the start, middle, end."""
    from pipelines.inspection.explain import explain as story
    from webbody.build_records import Requested, write_build

    out = Folder(scratch / f"plan-{rows}")
    made = Record.from_json(out.read(record_name("plan", ALL)))
    asked = {"plan": Requested(made.fingerprint, (), True)}
    manifest = str(scratch / f"{rows}.parquet")
    write_build(out, {"manifest": manifest, "sha256": "", "config": {}}, asked)
    record = Record(**{**vars(made), "inputs": {"manifest": ""}})
    out.write_bytes(record_name("plan", ALL), record.to_json())
    listed = pq.ParquetFile(manifest)
    groups = listed.num_row_groups
    taken = []
    for group, place in ((0, 0), (groups // 2, 0), (groups - 1, -1)):
        url = listed.read_row_group(group, columns=["url"])["url"][place].as_py()
        started = time.perf_counter()
        assert story(out.url, url)
        taken.append(time.perf_counter() - started)
    return {"seconds": float(np.mean(taken)), "worst": max(taken), "peak": peak()}


def resume(shards: int, scratch: Path) -> Figures:
    """Seeing that a build of so many shards has nothing to do, and its status."""
    import pipelines.build
    from pipelines.inspection.status import status

    made = made_build(shards, scratch)
    out = made.out
    started = time.perf_counter()
    done = pipelines.build.build(made)
    again = time.perf_counter() - started
    assert not done.ran
    started = time.perf_counter()
    found = status(out)
    count = found.stages["download"].committed
    assert found.complete
    return {
        "shards": count,
        "build": again,
        "status": time.perf_counter() - started,
        "build a thousand": 1000 * again / count,
        "peak": peak(),
    }


def identities(count: int, scratch: Path) -> Figures:
    """Merging and comparing so many names' centres, beside the product of their matrix alone."""
    from pipelines.identity.centroids import Centroids
    from pipelines.identity.resolution import resolve

    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((count, _WIDTH), np.float32)
    near = rng.integers(0, count, count // 50)  # doubles of a name, as real lists have
    vectors[: len(near)] = vectors[near] + 0.3 * rng.standard_normal(
        (len(near), _WIDTH), np.float32
    )
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    names = [f"name {number}" for number in range(count)]
    images = rng.integers(2, 40, count)
    centres = Centroids(names, images, np.zeros(count, np.int64), vectors, "")
    product = _product(vectors)
    started = time.perf_counter()
    resolve(centres, (), similar=0.7, ambiguous=0.6, leak=0.5)
    seconds = time.perf_counter() - started
    # Names are compared once to merge them and once, as people, to find ambiguous ones.
    return {
        "seconds": seconds,
        "product": product,
        "ratio": 2 * product / seconds,
        "peak": peak(),
    }


def person(faces: int, scratch: Path) -> Figures:
    """One name with so many faces, clustered, beside the product of their matrix alone."""
    from pipelines.stages.clusters import Clusters
    from webbody.config import ClustersSettings

    rng = np.random.default_rng(0)
    centre = rng.standard_normal(_WIDTH, np.float32)
    features = centre + 0.8 * rng.standard_normal((faces, _WIDTH), np.float32)
    features[: faces // 5] = rng.standard_normal((faces // 5, _WIDTH), np.float32)
    keys = np.array([f"{number:020x}" for number in range(faces)])
    crops = np.array([f"{key}-0" for key in keys])
    product = _product(features / np.linalg.norm(features, axis=1, keepdims=True))
    before = peak()
    started = time.perf_counter()
    Clusters(ClustersSettings()).person_of(features, crops, keys)
    seconds = time.perf_counter() - started
    return {
        "seconds": seconds,
        "product": product,
        "ratio": product / seconds,
        "added": peak() - before,
        "peak": peak(),
    }


def _product(vectors: np.ndarray) -> float:
    """Seconds of all cosines of unit vectors (N, D), of which half are computed, as by symmetry."""
    size = 4096
    started = time.perf_counter()
    for start in range(0, len(vectors), size):
        block = vectors[start : start + size]
        for other in range(start, len(vectors), size):
            block @ vectors[other : other + size].T
    return time.perf_counter() - started


def shuffle(samples: int, scratch: Path) -> Figures:
    """The split stage's shuffle of so many samples, from shards of 5,000 into shards of 1,000."""
    from pipelines.sampling.external_shuffle import ExternalShuffle
    from pipelines.stages.split import SCHEMA

    rng = np.random.default_rng(0)
    files = -(-samples // 1000)
    before = peak()
    started = time.perf_counter()
    rows = 0
    with ExternalShuffle(SCHEMA, files) as shuffled:
        for start in range(0, samples, 5000):
            count = min(5000, samples - start)
            target = rng.integers(0, files, count)
            shuffled.add(_samples(start, count), target, rng.permutation(count))
        for _, table in shuffled.files():
            rows += len(table)
    assert rows == samples
    return {"seconds": time.perf_counter() - started, "added": peak() - before, "peak": peak()}


def _samples(start: int, count: int) -> pa.Table:
    """Rows as the split stage makes them, of made-up crops."""
    from pipelines.stages.split import SCHEMA

    rows = range(start, start + count)
    values: dict[str, list[Any]] = {
        "crop": [f"{row:020x}-0" for row in rows],
        "url": [f"https://images.example/{row % 977}/{row:012d}.jpg" for row in rows],
        "box": [[0.1, 0.1, 0.9, 0.9]] * count,
        "keypoints": [[100.0, 200.0, 1.0] * 19] * count,
    }
    nothing = [None] * count
    columns = [pa.array(values.get(field.name, nothing), field.type) for field in SCHEMA]
    return pa.table(columns, schema=SCHEMA)


def memory(shards: int, scratch: Path) -> Figures:
    """So many shards of 4 drawn photos through persons and faces in one process.

    The slope is that of the memory in use after each, in MiB for 100 shards; the first fifth warms
    up.
    """
    from benchmarks.build import SHARD, draw, settings
    from pipelines.stages.faces import Faces
    from pipelines.stages.persons import Persons
    from webbody.cli.people import demo_models
    from webbody.config import WorkerResources

    folder = Folder(scratch / "shards")
    draw(folder, 4)
    models = str(Path(demo_models()["persons"]["model"]).parent)
    chosen, use = settings(models), WorkerResources("cpu", 4, threads=1)
    stages: list[Stage[Any]] = [Persons(chosen[Persons], use), Faces(chosen[Faces], use)]
    taken = []
    for _ in range(shards):
        for stage in stages:
            run_shard(stage, folder, SHARD, "", {})
        taken.append(_resident())
    rest = np.array(taken[shards // 5 :])
    slope = float(np.polyfit(np.arange(len(rest)), rest, 1)[0])
    return {"slope": 100 * slope, "first": taken[shards // 5], "last": taken[-1], "peak": peak()}


def _resident() -> float:
    """MiB that this process has in memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 2**20
