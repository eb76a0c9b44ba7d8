"""`ray job submit --working-dir .`: a build, and a training on it, as jobs of a cluster."""

import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.conftest import free_port
from webbody.cli.demo import demo_config, make_demo_gallery
from webbody.demo.website.server import serve
from webbody.demo.website.web import make_web
from webbody.working_folder import HOME

#: Seconds in which a head runs its first job, and a build its first shards, on a busy machine.
_START = 300
_BUILD = (
    "plan.rows_per_shard=20", "split.samples_per_shard=10", "split.test_people=0",
    "resources.restarts=0",
)  # fmt: skip
_TRAIN = {
    "model": {
        "preset": "tiny",
        "arguments": {"depth": 1, "width": 32, "heads": 2, "feature_dim": 16, "image_size": 96},
    },
    "tokens": {"min": 40, "max": 110},
    "optimization": {"epochs": 1, "warmup_epochs": 0.2, "batch": 8, "batch_multiple": 2},
    "resources": {"workers": 0, "device": "cpu"},
}


@dataclass
class Head:
    """A cluster of one node with Ray's dashboard, which takes jobs."""

    dashboard: str
    environment: dict[str, str]

    def submit(self, working_folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
        """`ray job submit --working-dir . -- COMMAND`, as from a machine outside the cluster."""
        return self.ask(working_folder, "submit", "--working-dir", ".", "--", *command)

    def ask(self, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
        """`ray job WORDS` in a folder."""
        environment = self.environment | {"RAY_ADDRESS": self.dashboard}
        command = ["ray", "job", *words]
        return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [held.getsockname()[1] for held in sockets]
    for held in sockets:
        held.close()
    return ports


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Head]:
    port, dashboard, client, agent = free_ports(4)
    programs = Path(sys.executable).parent
    environment = {
        **os.environ,
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": HOME,
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
    }
    # As many CPUs and GPUs as deploy/build.yaml wants of one machine, whatever this one has.
    # The paths of Ray's sockets may have 107 characters.
    with tempfile.TemporaryDirectory(prefix="webbody-") as short:
        command = [
            "ray", "start", "--head", "--block", "--disable-usage-stats",
            "--node-ip-address=127.0.0.1", f"--port={port}", f"--temp-dir={short}",
            "--dashboard-host=127.0.0.1", f"--dashboard-port={dashboard}",
            f"--ray-client-server-port={client}", f"--dashboard-agent-listen-port={agent}",
            "--num-cpus=8", "--num-gpus=1",
            f"--object-store-memory={128 << 20}",
        ]  # fmt: skip
        log = tmp_path_factory.mktemp("head") / "log"
        with log.open("wb") as file:
            running = subprocess.Popen(command, env=environment, stdout=file, stderr=file)
        try:
            ready = Head(f"http://127.0.0.1:{dashboard}", environment)
            _await(ready, running, log)
            yield ready
        finally:
            running.terminate()
            running.wait(60)


def _await(head: Head, running: subprocess.Popen[bytes], log: Path) -> None:
    """Until a job runs: the agent that starts it comes after the dashboard that takes it."""
    deadline = time.monotonic() + _START
    while time.monotonic() < deadline and running.poll() is None:
        tried = head.submit(log.parent, "true")
        if tried.returncode == 0:
            return
    said = log.read_text("utf-8", "replace") + tried.stdout + tried.stderr
    raise AssertionError(f"the head runs no job:\n{said}")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_build_and_a_training_are_jobs(head: Head, tmp_path: Path):
    """What they read lies in the working folder, which travels; what they write is shared."""
    work, out, run = tmp_path / "work", tmp_path / "build", tmp_path / "run"
    work.mkdir()
    with free_port() as port:
        web = make_web(tmp_path / "web", names=5, images=6, seed=3, port=port, gallery=2)
        gallery = work / "gallery.parquet"
        config = demo_config(web.folder, out, (gallery.name,), _BUILD)
        make_demo_gallery(web.gallery, gallery, config)
        (work / "list.parquet").write_bytes((web.folder / "manifest.parquet").read_bytes())
        resources = yaml.safe_load(Path(HOME, "deploy/build.yaml").read_text("utf-8"))
        settings = config.model_dump(mode="json") | {"manifest": "list.parquet"} | resources
        (work / "build.yaml").write_text(yaml.safe_dump(settings), "utf-8")
        with serve(web.folder, port):
            stop_in_the_middle(head, work, out)
            built = head.submit(work, "webbody", "build", "-c", "build.yaml")
    assert built.returncode == 0, built.stdout + built.stderr
    assert "succeeded" in built.stdout and "Complete" in built.stdout
    assert json.loads((out / "pack/index.json").read_bytes())
    assert not (out / "build.lease").exists()
    # A job that fails says so to whoever submitted it, with webbody's own sentence.
    refused = head.submit(work, "webbody", "build", "-c", "no-such.yaml")
    assert refused.returncode != 0 and "no-such.yaml" in refused.stdout + refused.stderr

    (work / "train.yaml").write_text(yaml.safe_dump(_TRAIN), "utf-8")
    command = ("webbody", "train", str(out), "--out", str(run), "-c", "train.yaml")
    trained = head.submit(work, *command, "--workers", "2")
    assert trained.returncode == 0, trained.stdout + trained.stderr
    assert (run / "model").is_dir() and (run / "log.jsonl").read_text()


def stop_in_the_middle(head: Head, work: Path, out: Path) -> None:
    """`ray job stop` of a build of which something is committed; it can go on afterwards."""
    command = ("--", "webbody", "build", "-c", "build.yaml")
    name = ("--submission-id", "first")
    begun = head.ask(work, "submit", "--no-wait", *name, "--working-dir", ".", *command)
    assert begun.returncode == 0, begun.stdout + begun.stderr
    deadline = time.monotonic() + _START
    while not list((out / "persons").glob("*.json")):
        assert time.monotonic() < deadline, head.ask(work, "logs", "first").stdout
        time.sleep(0.1)
    stopped = head.ask(work, "stop", "first")
    assert stopped.returncode == 0, stopped.stdout + stopped.stderr
    assert "STOPPED" in head.ask(work, "status", "first").stdout.upper()
    assert not (out / "pack/index.json").exists()
