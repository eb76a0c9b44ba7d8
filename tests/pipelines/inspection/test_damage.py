"""What commands that only look say of a build with a damaged table."""

import shutil

import pyarrow.parquet as pq
import pytest

from pipelines.base.row_lookup import LOOKUP
from pipelines.verify.build import verify_build
from pipelines.verify.repair import repair
from tests.command_line import run
from webbody.storage import Folder


@pytest.fixture
def build(demo, tmp_path):
    return shutil.copytree(demo.out, tmp_path / "build")


@pytest.fixture
def kept(demo):
    """The shard and the URL of a row that is kept."""
    for path in sorted((demo.out / "ledger").glob("*.parquet")):
        for row in pq.read_table(path).to_pylist():
            if row["outcome"] == "kept":
                return path.stem, row["url"]
    raise AssertionError("nothing is kept")


@pytest.mark.parametrize("damage", ["cut", "gone"])
@pytest.mark.parametrize("stage", ["plan", "faces", "clusters"])
def test_a_damaged_table_is_told_in_one_sentence(build, kept, stage, damage):
    shard, url = kept
    table = build / stage / f"{shard}.parquet"
    if damage == "cut":
        table.write_bytes(table.read_bytes()[:100])
    else:
        table.unlink()
    code, _, error = run("explain", build, url)
    assert code == 2 and len(error.splitlines()) == 1
    assert f"`webbody verify {build}` names it" in error
    code, _, error = run("report", build)
    assert code in (0, 2) and "Traceback" not in error


def test_without_the_lookup_of_rows_the_plan_is_read(build, demo, kept):
    (build / "plan" / LOOKUP).write_bytes(b"no Parquet file")
    told = run("explain", build, kept[1])
    assert told == run("explain", demo.out, kept[1]) and told[0] == 0
    done, after = repair(verify_build(Folder(build)))
    assert done.repaired == [f"plan/{LOOKUP} (taken out)"]
    assert done.notes == [] and after.findings == []
