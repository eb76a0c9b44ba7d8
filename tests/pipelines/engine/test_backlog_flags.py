"""What is done again for flags: of older builds whose crops were let go nothing but the flags."""

from dataclasses import replace

import pytest

from pipelines.engine.backlog import Backlog
from pipelines.engine.graph import FROM_NAMES, input_digests, tasks
from webbody.commit import UNMEASURED, Output, Record, read_record, record_name
from webbody.config import load
from webbody.storage import Folder

SHARD, CHAIN = "aa", FROM_NAMES.steps[1]


def put(folder, graph, stage, evicted=(), **counts):
    """Commit a shard of a stage, a table and (of images) a tar."""
    kinds = ("parquet", "tar") if stage in ("download", "persons") else ("parquet",)
    outputs = {f"{SHARD}.{kind}": Output(f"{stage}-{kind}", 1) for kind in kinds}
    for name in outputs:
        if name not in evicted:
            folder.write_bytes(f"{stage}/{name}", b"x")
    task = graph[stage]
    inputs = input_digests(folder, task, SHARD, (SHARD,))
    record = Record(stage, SHARD, task.fingerprint, inputs, outputs, counts, evicted=tuple(evicted))
    folder.write_bytes(record_name(stage, SHARD), record.to_json())


@pytest.fixture
def folder(tmp_path):
    """A finished chain without flags whose images were let go."""
    folder, graph = Folder(tmp_path), tasks(load(), {})
    plan = Record("plan", "all", "", {}, {f"{SHARD}.parquet": Output("p", 1)}, {"in": 1, "out": 1})
    folder.write_bytes(record_name("plan", "all"), plan.to_json())
    for node in CHAIN:
        if node.name != "flags":
            gone = [f"{SHARD}.tar"] if node.evictable else []
            put(folder, graph, node.name, gone)
    return folder


def row(folder, *settings):
    return Backlog(folder, tasks(load(None, settings), {}), {}).row(CHAIN, SHARD)


def test_flags_that_only_tell_fetch_nothing(folder):
    found = row(folder)
    assert found["force"] == found["again"] == []
    put(folder, tasks(load(), {}), "flags", **{UNMEASURED: 3})
    assert row(folder) is None


def test_flags_that_drop_fetch_what_they_must_look_at(folder):
    assert row(folder, "flags.drop=[blurred]")["force"] == ["download", "persons"]
    graph = tasks(load(), {})
    put(folder, graph, "flags", **{UNMEASURED: 3})
    found = row(folder, "flags.drop=[blurred]")
    assert found["force"] == ["download", "persons"]
    assert found["again"] == ["flags"]
    put(folder, graph, "flags", **{UNMEASURED: 0})
    found = row(folder, "flags.drop=[blurred]")
    assert found["force"] == found["again"] == []  # clusters alone


def test_measured_flags_with_other_thresholds_look_again(folder):
    put(folder, tasks(load(), {}), "flags", **{UNMEASURED: 0})
    assert row(folder) is None
    assert row(folder, "flags.max_yaw=30")["force"] == ["download", "persons"]


def test_crops_that_are_there_are_measured(folder):
    record = read_record(folder, "persons", SHARD)
    folder.write_bytes(f"persons/{SHARD}.tar", b"x")
    folder.write_bytes(record_name("persons", SHARD), replace(record, evicted=()).to_json())
    assert row(folder, "flags.drop=[blurred]")["force"] == []
