"""SIGKILL at any moment leaves committed shards or none, and the next run completes the build."""

import json
import random
import signal
import subprocess
import sys
import time

import pytest
from test_build import digests

from webbody.commit import Record
from webbody.storage import Folder

SCRIPT = """
import sys
from pathlib import Path
from pipelines.build import build
from webbody.cli.demo import demo_config

web, out, gallery = sys.argv[1:]
result = build(demo_config(Path(web), Path(out), (gallery,), ("plan.rows_per_shard=20",)))
sys.exit(0 if result.complete else 1)
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killed_again_and_again_and_then_finished(demo, tmp_path):
    gallery = demo.config.identities.galleries[0]

    def start(out):
        command = [sys.executable, "-c", SCRIPT, str(demo.web), str(out), gallery]
        return subprocess.Popen(command, start_new_session=True)

    whole = tmp_path / "whole"
    started = time.monotonic()
    assert start(whole).wait(300) == 0
    length = time.monotonic() - started
    killed = tmp_path / "killed"
    rng = random.Random(0)
    for _ in range(4):
        process = start(killed)
        try:
            process.wait(rng.uniform(0.2, 0.9) * length)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
        folder = Folder(killed)
        for path in killed.glob("*/*.json"):
            if path.name == "index.json":
                continue
            record = Record.from_json(path.read_bytes())  # whole, or it would not parse
            for name, output in record.outputs.items():
                assert folder.size(f"{record.stage}/{name}") == output.bytes
    assert start(killed).wait(300) == 0
    assert digests(killed) == digests(whole)
    assert not [path for path in killed.rglob("*") if path.name.endswith(".tmp")]
    assert json.loads((killed / "pack" / "index.json").read_text())["splits"]
