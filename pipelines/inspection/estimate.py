"""The dry run of a build: what the manifest holds, and what time and disk it will take."""

import os
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass

import pyarrow as pa

from pipelines.base.custom_filter import CustomFilters
from pipelines.base.stage import ALL, run_shard
from pipelines.diagnostics.no_rows import no_rows
from pipelines.engine.graph import (
    DOWNLOAD,
    PLAN,
    SPLIT,
    BuildGraph,
    StageTask,
    is_done,
    stages_of,
    tasks,
)
from pipelines.engine.sources import BuildSource, source_of
from webbody.build_records import BuildRecords, output_shards, planned_shards, read_build
from webbody.commit import Record, Records
from webbody.config import BuildConfig
from webbody.errors import WebbodyError
from webbody.parquet_tables import read_parquet
from webbody.removals import RemovalLists, lists_in
from webbody.scratch import scratch_folder
from webbody.storage import Folder


@dataclass(frozen=True)
class StageCost:
    """Worker seconds and output bytes per accepted manifest row."""

    seconds: float
    bytes: float


#: Per accepted row: two CPU cores, demo models, 640 px photos of 1 to 3 people. A GPU, other
#: models or images change these much; committed shards of the same folder are measured instead.
DEFAULT_RATES = {
    "download": StageCost(0.036, 67_000),
    "persons": StageCost(0.027, 67_000),
    "quality": StageCost(0.025, 60),
    "faces": StageCost(0.028, 1_200),
    "flags": StageCost(0.005, 120),
    "crops": StageCost(0.012, 67_000),
    "clusters": StageCost(0.006, 50),
    "identities": StageCost(0.0005, 45),
    "keypoints": StageCost(0.003, 130),
    "split": StageCost(0.0003, 150),
    "pack": StageCost(0.003, 12_000),
    "ledger": StageCost(0.0005, 50),
}


@dataclass(frozen=True)
class StageEstimate:
    """Shards that are not committed yet, their worker seconds and output bytes."""

    shards: int
    seconds: float
    bytes: float


@dataclass(frozen=True)
class BuildEstimate:
    """What `webbody build --plan` prints."""

    rows: int
    accepted: int
    rejected: dict[str, int]
    names: int
    shards: int
    stages: dict[str, StageEstimate]
    wall_seconds: float
    bytes: float
    workers: str
    source: str
    filters: tuple[str, ...] = ()  # the user's own, in words
    grouped_by: str = "names"  # what `names` counts: of a release its people, else URLs


def estimate(config: BuildConfig) -> BuildEstimate:
    """Plan into a temporary folder and extrapolate; writes nothing to `config.out`.

    Rates come from the shards already committed in `config.out`, else from DEFAULT_RATES.
    """
    if not config.manifest:
        raise WebbodyError("No manifest is given; pass --manifest.")
    source = source_of(config)
    filters = source.filters(config)
    for own in filters.values():
        CustomFilters(own)  # says what is wrong with them
    out = Folder(config.out) if config.out else None
    group, grouped_by = source.groups
    with scratch_folder("plan") as scratch, closing(source):
        folder = Folder(scratch)
        planned, shards = _planned(config, source, folder, out)
        names = sum(len(_column(folder, shard, group).unique()) for shard in shards)
    counts = planned.counts
    records = BuildRecords(out) if out is not None and read_build(out) is not None else None
    rates, measured = measured_rates(records, shards)
    undone = {
        node.name: (ALL,) if node.is_global else tuple(shards) for node in source.graph.stages[1:]
    }
    shares = dict.fromkeys(undone, 1.0)
    if records is not None:
        config = source.resolved(config)
        stage_tasks = tasks(config, source.files(config), filters, source.graph)
        undone, shares = _undone(records.folder, source.graph, stage_tasks, planned)
    stages = {}
    for name, todo in undone.items():
        rate, rows = rates[name], counts["out"] * shares[name]
        stages[name] = StageEstimate(len(todo), rate.seconds * rows, rate.bytes * rows)
    cpus = config.resources.cpus or os.cpu_count() or 1
    return BuildEstimate(
        rows=counts["in"],
        accepted=counts["out"],
        rejected={
            key: value for key, value in counts.items() if key.startswith(("manifest:", "takedown"))
        },
        names=names,
        grouped_by=grouped_by,
        shards=len(shards),
        stages=stages,
        wall_seconds=sum(stage.seconds for stage in stages.values()) / cpus,
        bytes=sum(stage.bytes for stage in stages.values()),
        workers=f"{cpus} CPUs busy",
        source=f"measured on {measured:,} rows in {config.out}"
        if measured
        else "measured on the demo on two CPU cores; build a part of your manifest to get your own",
        filters=tuple(
            f"{one.function} after {after} ({one.file})"
            for after, stage in source.run_by.items()
            for one in filters.get(stage, ())
        ),
    )


def _planned(
    config: BuildConfig, source: BuildSource, folder: Folder, out: Folder | None
) -> tuple[Record, list[str]]:
    """Run the plan in `folder`; its record and shards. out: the build's folder, if it has one."""
    own_lists = lists_in(out).lists if out is not None else ()
    removals = RemovalLists((*own_lists, *source.removals(folder).lists))
    record = run_shard(source.plan(config, removals), folder, ALL, "", {})
    if not record.counts["out"]:
        raise no_rows(config.manifest, folder, source.needs)
    return record, list(planned_shards(record))


def _column(folder: Folder, shard: str, name: str) -> pa.ChunkedArray:
    with folder.open(f"plan/{shard}.parquet") as file:
        return read_parquet(file, columns=[name])[name]


def _undone(
    folder: Folder, graph: BuildGraph, stage_tasks: Mapping[str, StageTask], planned: Record
) -> tuple[dict[str, tuple[str, ...]], dict[str, float]]:
    """The shards of each stage that a build would do, and their share of the stage's shards.

    Counted is also what reads from them, though it stays where it finds the same input again.
    """
    shards = planned_shards(planned)
    cache: Records = {(PLAN.name, ALL): planned}
    undone, shares = {}, {}
    for node in graph.stages[1:]:
        split = cache.get((SPLIT.name, ALL))
        packs = output_shards(split) if split else shards  # as many as there are, or a guess
        every = (ALL,) if node.is_global else packs if node.of_output else shards
        task = stage_tasks[node.name]
        todo = tuple(s for s in every if not is_done(folder, task, s, shards, cache))
        cache |= {(node.name, shard): None for shard in todo}
        undone[node.name], shares[node.name] = todo, len(todo) / max(1, len(every))
    return undone, shares


def measured_rates(
    records: BuildRecords | None, shards: list[str]
) -> tuple[dict[str, StageCost], int]:
    """Rates of the committed shards of a build, and on how many rows they rest (0: defaults)."""
    rates = dict(DEFAULT_RATES)
    if records is None:
        return rates, 0
    rows = {
        shard: record.counts.get("in", 0)
        for shard in shards
        if (record := records.get(DOWNLOAD.name, shard)) is not None
    }
    for node in stages_of(records.build.get("stages"))[1:]:
        if node.is_global:
            continue
        done = [r for s in rows if (r := records.get(node.name, s)) is not None]
        base = sum(rows[record.shard] for record in done)
        if base:
            size = sum(o.bytes for record in done for o in record.outputs.values())
            rates[node.name] = StageCost(sum(r.seconds for r in done) / base, size / base)
    return rates, sum(rows.values())
