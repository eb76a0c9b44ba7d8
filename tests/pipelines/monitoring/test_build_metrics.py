"""What a real build writes of its metrics, beside its commit records."""

import json
import shutil
from collections import Counter

import pyarrow.parquet as pq

from pipelines.build import build
from pipelines.monitoring.metrics_file import METRICS
from webbody.build_records import BuildRecords
from webbody.commit import ALL
from webbody.storage import Folder


def moments(out):
    return [json.loads(line) for line in (out / METRICS).read_text().splitlines()]


def test_the_last_line_tells_what_the_records_hold(demo):
    records = BuildRecords(Folder(demo.out))
    lines = moments(demo.out)
    assert [line["elapsed"] for line in lines] == sorted(line["elapsed"] for line in lines)
    stages = lines[-1]["stages"]
    assert list(stages)[:2] == ["plan", "download"] and list(stages)[-1] == "ledger"
    assert set(stages) == set(records.build["stages"])
    for name, stage in stages.items():
        requested = records.build["stages"][name]
        shards = records.packs if name == "pack" else records.shards
        found = [records.get(name, s) for s in ((ALL,) if requested["is_global"] else shards)]
        assert stage["shards"] == stage["done"] == len(found)
        assert stage.get("rows_in", 0) == sum(record.counts["in"] for record in found)
        assert stage.get("rows_out", 0) == sum(record.counts["out"] for record in found)
        files = [output for record in found for output in record.outputs.values()]
        assert stage["bytes"] == sum(output.bytes for output in files)
        assert stage["eta"] == 0 and "running" not in stage and "waiting" not in stage
        assert "gpus" not in stage and "images_per_second" not in stage


def test_dropped_photos_are_those_of_the_ledger(demo):
    lines = moments(demo.out)
    stages = lines[-1]["stages"]
    dropped = Counter()
    for name in ("download", "persons"):
        dropped.update(stages[name].get("outcomes", {}))
    assert dropped.total() > 0
    for outcome, count in dropped.items():
        assert demo.result.outcomes.get(outcome, 0) == count, outcome


def test_nobody_can_be_told_from_them(demo):
    content = (demo.out / METRICS).read_bytes()
    rows = pq.read_table(demo.web / "manifest.parquet").to_pylist()
    for row in rows:
        assert not any(row[k] and row[k].encode() in content for k in ("url", "name"))
    assert content and rows


def test_a_resumed_build_adds_lines_and_counts_what_it_does_itself(demo, in_process, tmp_path):
    out = tmp_path / "copy"
    shutil.copytree(demo.out, out)
    assert build(demo.settings(out)).complete
    before = moments(out)
    next((out / "ledger").glob("*.json")).unlink()
    assert build(demo.settings(out)).complete
    after = moments(out)
    assert after[: len(before)] == before
    new = after[len(before) :]
    assert {line["run"] for line in new}.isdisjoint(line["run"] for line in before)
    stages = new[-1]["stages"]
    assert stages["download"] == {
        "shards": demo.result.stages["download"].shards,
        "done": demo.result.stages["download"].shards,
        "eta": 0.0,
    }
    assert stages["ledger"]["done"] == stages["ledger"]["shards"] == stages["download"]["done"]
    assert 0 < stages["ledger"]["rows_in"] < demo.result.stages["ledger"].items_in
