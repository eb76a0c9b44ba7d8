"""The Slurm script in a dry run: programs of the same names note what they are asked for."""

import contextlib
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.deploy.deploy_files import DEPLOY, parse_ray, parse_webbody
from tests.deploy.test_deploy_image import shellcheck

#: What each program does beside noting its words, in `$FAKES`. srun runs what it is given, once.
PROGRAMS = {
    "scontrol": 'if [ "$1" = show ]; then printf "n1\\nn2\\nn3\\n"; fi',
    "srun": 'while [ "${1#--}" != "$1" ]; do shift; done; exec "$@"',
    "hostname": "echo 10.0.0.1",
    "sleep": "exec /bin/sleep 0.05",
    "ray": """
        case "$1 $2" in
            "start --head") if [ -e "$FAKES/no-head" ]; then exit 1; fi
                touch "$FAKES/head"; exec /bin/sleep 300 ;;
            start*) exec /bin/sleep 300 ;;
            status*) [ -e "$FAKES/head" ] && [ ! -e "$FAKES/slow" ] ;;
        esac""",
    "webbody": """
        trap '/bin/sleep 0.2; echo "webbody stopped" >> "$FAKES/log"; exit "$STOPPED"' TERM
        echo "webbody started" >> "$FAKES/log"
        if [ "$ENDS" = never ]; then while :; do /bin/sleep 0.05; done; fi
        exit "$ENDS" """,
}
NODES = 3


class Job:
    """A run of the script on three nodes."""

    def __init__(self, folder: Path, ends: str = "0", stopped: str = "143", nodes: int = NODES):
        self._log = folder / "log"
        environment = {
            **os.environ, "FAKES": str(folder), "ENVIRONMENT": str(folder / "env"),
            "ENDS": ends, "STOPPED": stopped, "MANIFEST": "/shared/my list.parquet",
            "SLURM_JOB_ID": "123456", "SLURM_JOB_NODELIST": "n[1-3]", "SLURM_CPUS_PER_TASK": "16",
            "SLURM_JOB_NUM_NODES": str(nodes), "SLURM_GPUS_ON_NODE": "1",
        }  # fmt: skip
        self._process = subprocess.Popen(
            ["bash", DEPLOY / "slurm.sh"], env=environment, cwd=folder, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.said = ""
        self._listening = threading.Thread(target=self._listen, daemon=True)
        self._listening.start()

    def _listen(self) -> None:
        for line in self._process.stderr:
            self.said += line

    def lines(self) -> list[str]:
        return self._log.read_text("utf-8").splitlines() if self._log.exists() else []

    def words(self, start: str) -> list[str]:
        """The words of the one line that starts so."""
        (line,) = (line for line in self.lines() if line.startswith(start))
        return line.split("\t")[0].split("|")

    def await_line(self, start: str) -> None:
        deadline = time.monotonic() + 120
        while not any(line.startswith(start) for line in self.lines()):
            assert time.monotonic() < deadline, self.lines()
            time.sleep(0.02)

    def terminate(self) -> None:
        """As Slurm does before the time limit: the script gets the signal, and nobody else."""
        self._process.send_signal(signal.SIGTERM)

    def end(self) -> int:
        """The exit code; then the nodes' processes end, as with a job of Slurm."""
        code = self._process.wait(120)
        self.close()
        return code

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._listening.join()
        self._process.stderr.close()


@pytest.fixture
def job(tmp_path: Path) -> Iterator[type]:
    programs = tmp_path / "env" / "bin"
    programs.mkdir(parents=True)
    (programs / "activate").write_text(f'PATH="{programs}:$PATH"\n', "utf-8")
    for name, does in PROGRAMS.items():
        note = f'(IFS="|"; printf "%s\\t%s\\n" "{name}|$*" "$RAY_AUTH_MODE $RAY_AUTH_TOKEN")'
        file = programs / name
        file.write_text(f'#!/bin/bash\n{note} >> "$FAKES/log"\n{does}\n', "utf-8")
        file.chmod(0o755)
    started: list[Job] = []

    def start(**arguments: object) -> Job:
        started.append(Job(tmp_path, **arguments))
        return started[-1]

    yield start
    for one in started:
        one.close()


def test_shells_find_nothing_wrong():
    subprocess.run(["bash", "-n", DEPLOY / "slurm.sh"], check=True)
    shellcheck(DEPLOY / "slurm.sh")
    assert os.access(DEPLOY / "slurm.sh", os.X_OK)


def test_what_is_asked_of_slurm():
    text = (DEPLOY / "slurm.sh").read_text("utf-8")
    asked = re.findall(r"^#SBATCH (--[\w-]+)(?:=(\S+))?$", text, re.M)
    assert {"--requeue", "--exclusive"} <= {name for name, _ in asked}
    options = dict(asked)
    assert options["--signal"] == "B:TERM@300" and options["--open-mode"] == "append"
    assert options["--ntasks-per-node"] == "1"
    # Slurm reads no further than the first command.
    assert text.rindex("#SBATCH") < text.index("set -euo pipefail")


def test_the_head_comes_first_then_the_workers_then_the_build(job):
    running = job()
    running.await_line("ray|start|--address")  # at the same time as the build
    assert running.end() == 0
    kinds = [line for line in running.lines() if not line.startswith(("ray|status", "sleep"))]
    steps = [
        "scontrol|show", "srun|--nodes=1|--ntasks=1|--nodelist=n1|hostname", "hostname",
        "srun|--nodes=1|--ntasks=1|--nodelist=n1|ray|start|--head", "ray|start|--head",
    ]  # fmt: skip
    assert [line[: len(step)] for line, step in zip(kinds, steps, strict=False)] == steps
    workers = running.words("srun|--nodes=2|")
    assert workers[1:6] == ["--nodes=2", "--ntasks=2", "--exclude=n1", "ray", "start"]
    assert not any("requeue" in line for line in running.lines())


def test_all_agree_on_address_token_and_size(job):
    running = job()
    running.await_line("ray|start|--address")  # at the same time as the build
    assert running.end() == 0
    head, worker = running.words("ray|start|--head"), running.words("ray|start|--address")
    build = running.words("webbody|build")
    for words in (head, worker):
        parse_ray(words)
        assert {"--block", "--num-cpus=16", "--num-gpus=1"} <= set(words)
    parse_webbody(build)
    assert {"--port=23456", "--node-ip-address=10.0.0.1"} <= set(head)
    assert "--address=10.0.0.1:23456" in worker
    given = dict(pairwise(build))
    assert given["--ray-address"] == "10.0.0.1:23456"
    assert given["--manifest"] == "/shared/my list.parquet"
    started = ("ray|start", "webbody|build")
    tokens = {line.split("\t")[1] for line in running.lines() if line.startswith(started)}
    assert len(tokens) == 1 and re.fullmatch(r"token [0-9a-f]{64}", tokens.pop())


def test_one_node_has_no_workers(job):
    running = job(nodes=1)
    assert running.end() == 0
    assert not any("--exclude" in line for line in running.lines())


@pytest.mark.parametrize("code", [0, 1, 2, 3])
def test_the_exit_code_is_the_builds(job, code: int):
    running = job(ends=str(code))
    assert running.end() == code
    assert not any("requeue" in line for line in running.lines())


def test_at_the_time_limit_the_build_stops_and_the_job_is_queued_again(job):
    running = job(ends="never")
    running.await_line("webbody started")
    running.terminate()
    assert running.end() == 143
    lines = [line.split("\t")[0] for line in running.lines()]
    assert lines.count("scontrol|requeue|123456") == 1
    assert lines.index("webbody stopped") < lines.index("scontrol|requeue|123456")


@pytest.mark.parametrize("code", ["0", "1"])
def test_a_build_that_comes_to_its_end_is_not_queued_again(job, code: str):
    """The signal came in its last moment."""
    running = job(ends="never", stopped=code)
    running.await_line("webbody started")
    running.terminate()
    running.terminate()
    assert running.end() == int(code)
    assert not any("requeue" in line for line in running.lines())


def test_a_time_limit_before_the_build_starts(job, tmp_path: Path):
    (tmp_path / "slow").touch()
    running = job(ends="never")
    running.await_line("ray|status")
    running.terminate()
    (tmp_path / "slow").unlink()
    assert running.end() == 143
    assert any("scontrol|requeue|123456" in line for line in running.lines())
    assert not any(line.startswith("webbody") for line in running.lines())


def test_a_head_that_does_not_start_is_told(job, tmp_path: Path):
    (tmp_path / "no-head").touch()
    running = job()
    assert running.end() == 1
    assert "Ray's head has not started on n1" in running.said
    assert not any(line.startswith("webbody") for line in running.lines())
