"""`webbody status --follow` beside a real build of another process, which ends or is killed."""

import os
import subprocess
import sys
import time

import pytest

from tests.command_line import run
from webbody.lease import LEASE

PROGRAM = """
import sys
import pipelines.build
from pathlib import Path
from pipelines.engine.in_process import InProcess
from webbody.cli.demo import demo_config

pipelines.build.start_executor = lambda resources, on_event: InProcess(resources)
web, out, gallery = sys.argv[1:]
config = demo_config(Path(web), Path(out), (gallery,), ("plan.rows_per_shard=20",))
sys.exit(0 if pipelines.build.build(config).complete else 1)
"""


@pytest.fixture
def builder(demo, tmp_path):
    """A process that builds in `tmp_path`/out, and holds it already."""
    gallery = demo.config.identities.galleries[0]
    command = [sys.executable, "-c", PROGRAM, str(demo.web), str(tmp_path / "out"), gallery]
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": os.getcwd()})
    deadline = time.monotonic() + 120
    while not (tmp_path / "out" / LEASE).exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    yield process
    process.kill()
    process.wait()


@pytest.mark.slow
@pytest.mark.timeout(900)  # the demo build included
def test_a_build_is_followed_to_its_end(builder, tmp_path):
    code, text, _ = run("status", tmp_path / "out", "--follow", "--every", "0.1")
    assert code == 0 and builder.wait(30) == 0
    lines = text.replace("\n", " ")
    assert f"is written by process {builder.pid} of " in lines
    for stage in ("download", "persons", "faces", "clusters", "ledger"):
        assert f"{stage:<11} 3/3 shards" in text, stage
    assert "Nobody builds in" in text


@pytest.mark.slow
@pytest.mark.timeout(900)  # the demo build included
def test_a_build_that_is_killed_is_told(builder, tmp_path):
    out = tmp_path / "out"
    while not list(out.glob("download/*.json")):
        assert builder.poll() is None
        time.sleep(0.05)
    builder.kill()
    builder.wait()
    code, text, _ = run("status", out, "--follow")
    lines = text.replace("\n", " ")
    assert code == 1
    assert "Nobody builds in" in lines and "has ended without releasing it" in lines
    assert "Not complete: run `webbody build --manifest" in lines
