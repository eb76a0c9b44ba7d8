"""Features are gone, the build is complete, and what needs them computes them again."""

import shutil

import pyarrow.parquet as pq
import pytest
from command_line import run
from release_of_build import digests

from pipelines.build import build
from pipelines.inspection.status import status


@pytest.fixture
def out(demo, tmp_path):
    shutil.copytree(demo.out, tmp_path / "copy")
    return tmp_path / "copy"


def features(out) -> int:
    """How many faces have a feature."""
    tables = [pq.read_table(path, columns=["feature"]) for path in out.glob("faces/*.parquet")]
    return sum(len(table) - table["feature"].null_count for table in tables)


def test_forgotten_and_computed_again(demo, out, in_process):
    had, before = features(out), digests(out)
    assert had > 0
    code, told, _ = run("forget", out, "--features")
    assert code == 0 and "are gone" in told
    assert features(out) == 0
    assert status(str(out)).complete
    assert build(demo.settings(out)).ran == 0
    # Another threshold compares people anew: that needs the features.
    result = build(demo.settings(out, "identities.ambiguous=0.61"))
    assert result.complete
    assert features(out) == had
    assert build(demo.settings(out)).complete
    assert digests(out) == before


def test_what_to_forget_must_be_said(out):
    code, _, told = run("forget", out)
    assert code == 2 and "--features" in told
