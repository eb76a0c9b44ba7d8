import pyarrow as pa
import pytest
from made_stages import with_settings

from pipelines.base.stage import Stage, run_shard
from pipelines.stages.ledger import Ledger
from webbody.config import Section
from webbody.storage import Folder

# key -> what each stage wrote: (crop, outcome) pairs; a stage that is missing was not reached.
STORIES = {
    "k-http": {"download": "download:http-404"},
    "k-none": {"download": None, "persons": [("k-none", "person:none")]},
    "k-kept": {
        "download": None,
        "persons": [("k-kept-0", None), ("k-kept-1", None)],
        "faces": [("k-kept-0", None), ("k-kept-1", "face:none")],
        "clusters": [("k-kept-0", None)],
        "identities": [("k-kept-0", None)],
        "keypoints": [("k-kept-0", None)],
    },
    "k-two": {  # the second crop gets further than the first
        "download": None,
        "persons": [("k-two-0", None), ("k-two-1", None)],
        "faces": [("k-two-0", "face:none"), ("k-two-1", None)],
        "clusters": [("k-two-1", "cluster:noise")],
    },
    "k-dup": {
        "download": None,
        "persons": [("k-dup-0", None)],
        "faces": [("k-dup-0", None)],
        "clusters": [("k-dup-0", None)],
        "identities": [("k-dup-0", "identity:duplicate-of:k-kept-0")],
    },
}
STAGES = ("download", "persons", "faces", "clusters", "identities", "keypoints")


def table_stage(stage: str, table: pa.Table) -> Stage:
    class Written(Stage):
        name = stage
        needs = ()

        def process(self, inputs, outputs):
            outputs.table(table)
            return {}

    return Written(Section())


def write(folder, stories):
    plan = [{"key": key, "url": f"http://a/{key}", "name": "Ann"} for key in stories]
    run_shard(table_stage("plan", pa.Table.from_pylist(plan)), folder, "s", "f", {})
    for stage in STAGES:
        rows = []
        for key, story in stories.items():
            if stage not in story:
                continue
            said = story[stage] if isinstance(story[stage], list) else [(key, story[stage])]
            rows += [{"key": key, "crop": crop, "outcome": o, "detail": None} for crop, o in said]
        schema = pa.schema([(n, pa.string()) for n in ("key", "crop", "outcome", "detail")])
        run_shard(table_stage(stage, pa.Table.from_pylist(rows, schema)), folder, "s", "f", {})


def test_the_crop_that_got_furthest_speaks_for_its_row(tmp_path):
    folder = Folder(tmp_path)
    write(folder, STORIES)
    record = run_shard(with_settings(Ledger), folder, "s", "f", {})
    with folder.open("ledger/s.parquet") as file:
        rows = {row["key"]: row for row in pa.parquet.read_table(file).to_pylist()}
    assert {key: row["outcome"] for key, row in rows.items()} == {
        "k-http": "download:http-404",
        "k-none": "person:none",
        "k-kept": "kept",
        "k-two": "cluster:noise",
        "k-dup": "identity:duplicate-of:k-kept-0",
    }
    assert rows["k-two"]["stage"] == "clusters"
    outcomes = {k: v for k, v in record.counts.items() if k == "kept" or ":" in k}
    assert sum(outcomes.values()) == record.counts["in"] == len(STORIES)
    assert outcomes["identity:duplicate-of"] == 1
    assert record.counts["out"] == 1


def test_a_row_that_a_stage_lost_is_an_error(tmp_path):
    folder = Folder(tmp_path)
    write(folder, {"k": {"download": None, "persons": [("k-0", None)]}})
    with pytest.raises(ValueError, match="passed persons and then vanished"):
        run_shard(with_settings(Ledger), folder, "s", "f", {})
