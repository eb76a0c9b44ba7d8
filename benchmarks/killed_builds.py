"""Builds that `benchmarks.kills` kills: on a local Ray, on a cluster, or in a forked process."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Protocol
from unittest.mock import patch

import yaml

from pipelines.engine import run_processes
from webbody.processes import program, with_variable

#: Victims of a build on a local Ray, and the signal that they get.
ON_RAY = {
    "build": signal.SIGKILL,
    "build, SIGTERM": signal.SIGTERM,
    "group": signal.SIGKILL,
    "driver": signal.SIGKILL,
    "worker": signal.SIGKILL,
    "raylet": signal.SIGKILL,
    "gcs_server": signal.SIGKILL,
    "agent": signal.SIGKILL,
}
#: Victims of a build on a cluster: its process, its driver, the second machine, the head's machine.
ON_CLUSTER = ("build", "driver", "node", "head")
#: Those whose loss ends the build's own process: one resume by hand each.
ENDS = ("build", "build, SIGTERM", "group")
#: Addresses of the loopback interface; Ray lets nobody join a head at 127.0.0.1.
_HEAD, _SECOND, _HEAD_PORT = "127.0.0.2", "127.0.0.3", 18956


class Running(Protocol):
    """A build that runs: what `subprocess.Popen` and `Forked` have in common."""

    pid: int

    def wait(self, timeout: float) -> int: ...


class OnRay:
    """Builds on a Ray of their own, as the command line runs them."""

    victims: tuple[str, ...] = tuple(ON_RAY)

    def __init__(self, file: Path) -> None:
        self._file = file
        self._arguments: list[str] = []

    def start(self, out: Path) -> subprocess.Popen[bytes]:
        """A build in a process group of its own."""
        self._log = tempfile.TemporaryFile()
        command = [
            sys.executable, "-m", "webbody", "build", "-c", str(self._file), "--out", str(out),
            *self._arguments,
        ]  # fmt: skip
        return subprocess.Popen(command, stdout=self._log, stderr=self._log, start_new_session=True)

    def log(self) -> str:
        """What the last build printed."""
        self._log.seek(0)
        return self._log.read().decode("utf-8", "replace")

    def kill(self, build: Running, victim: str, rng: random.Random) -> bool:
        """Kill a victim; False where there is none just now."""
        number = ON_RAY[victim]
        if victim == "group":
            os.killpg(build.pid, number)
            return True
        if victim in ENDS:
            os.kill(build.pid, number)
            return True
        found = [pid for pid in descendants(build.pid) if _is(pid, victim)]
        if not found:
            return False
        os.kill(rng.choice(found), number)
        return True


class OnCluster(OnRay):
    """Builds that join a cluster of two machines, two raylets of this one.

    A machine that was killed is started anew, as spot machines are.
    """

    victims = ON_CLUSTER

    def __init__(self, file: Path, machines: "Machines") -> None:
        super().__init__(file)
        self._machines = machines
        self._arguments = ["--ray-address", machines.address]

    def kill(self, build: Running, victim: str, rng: random.Random) -> bool:
        """Kill a victim; False where there is none just now."""
        if victim == "node":
            self._machines.replace_second()
            return True
        if victim == "head":
            self._machines.replace_all()
            return True
        return super().kill(build, victim, rng)


class Machines:
    """A Ray cluster of a head and a second machine, both on this one's loopback interface."""

    address = f"{_HEAD}:{_HEAD_PORT}"

    def __init__(self) -> None:
        self._start()

    def _start(self) -> None:
        from ray.cluster_utils import Cluster

        head = {
            "node_ip_address": _HEAD,
            "gcs_server_port": _HEAD_PORT,
            "num_cpus": 2,
            "include_dashboard": False,
        }
        self._cluster: Any = Cluster(initialize_head=True, head_node_args=head)
        self._add_second()

    def _add_second(self) -> None:
        self._second = self._cluster.add_node(node_ip_address=_SECOND, num_cpus=2)

    def replace_second(self) -> None:
        """Lose the second machine, then start another in its place."""
        self._cluster.remove_node(self._second, allow_graceful=False)
        self._add_second()

    def replace_all(self) -> None:
        """Lose the head, which takes everything along, then start the cluster anew."""
        self.close()
        self._start()

    def close(self) -> None:
        """End the cluster at once."""
        for node in (self._second, self._cluster.head_node):
            self._cluster.remove_node(node, allow_graceful=False)


@contextlib.contextmanager
def machines() -> Iterator[Machines]:
    """A cluster for the time of the block."""
    started = Machines()
    try:
        yield started
    finally:
        started.close()


class Quick:
    """Builds in a forked process, a stage after the other."""

    victims = ("build", "build, SIGTERM")

    def __init__(self, file: Path) -> None:
        self._values = yaml.safe_load(file.read_text("utf-8"))

    def start(self, out: Path) -> "Forked":
        """A build in a fork of this process."""
        return Forked(self._values | {"out": str(out)})

    def log(self) -> str:
        """A forked build prints nothing."""
        return ""

    def kill(self, build: Running, victim: str, rng: random.Random) -> bool:
        """End the fork."""
        os.kill(build.pid, ON_RAY[victim])
        return True


#: Forks come from a process that has imported the libraries and has no thread of theirs.
_FORKS = get_context("forkserver")
_FORKS.set_forkserver_preload(
    [
        "pipelines.build", "pipelines.engine.in_process", "pipelines.stages.persons",
        "pipelines.stages.faces", "pipelines.stages.keypoints", "pipelines.stages.identities",
    ]
)  # fmt: skip


class Forked:
    """What `subprocess.Popen` gives, of a fork."""

    def __init__(self, values: dict[str, object]) -> None:
        self._process = _FORKS.Process(target=_build_here, args=(values,))
        self._process.start()
        self.pid = self._process.pid or 0

    def wait(self, timeout: float) -> int:
        """The exit code; TimeoutExpired where there is none yet."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("build", timeout)
        return self._process.exitcode


def _build_here(values: dict[str, object]) -> None:
    import pipelines.build
    from pipelines.engine.in_process import InProcess
    from webbody.config import BuildConfig

    patch(
        "pipelines.build.start_executor", lambda resources, on_event: InProcess(resources)
    ).start()
    result = pipelines.build.build(BuildConfig.model_validate(values))
    os._exit(0 if result.complete else 1)


def descendants(pid: int) -> list[int]:
    """What a build has started for Ray."""
    return [one for one, mark in with_variable(run_processes.MARK).items() if f"-{pid}-" in mark]


def _is(pid: int, victim: str) -> bool:
    if victim in ("raylet", "gcs_server"):
        return program(pid) == victim
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    line = b" ".join(words).decode("utf-8", "replace")
    if victim == "worker":
        return line.startswith("ray::")
    if victim == "driver":
        return "driver.child" in line
    return "agent" in line and "raylet/raylet" not in line
