"""Ray in a process of its own, whose parts are killed while shards are under way."""

import os
import signal
import subprocess
import sys
import urllib.request

import psutil
import pytest
from drawn_driver import SMALL, SOURCE, STEADY, rows

from pipelines.engine import run_processes
from pipelines.engine.driver.healing import SelfHealing
from pipelines.engine.driver.process import DriverProcess
from pipelines.engine.executor import ExecutorLost
from pipelines.engine.graph import is_done
from pipelines.monitoring.metrics import BuildMetrics, StageMetrics
from webbody.config import Resources
from webbody.errors import WebbodyError
from webbody.storage import Folder

SHARDS = [f"s{number}" for number in range(4)]


class Killed:
    """Starts drivers; the first one loses a program when a shard of `steady` is done."""

    def __init__(self, program):
        self.program, self.started, self.notes, self.done = program, [], [], []

    def start(self):
        self.started.append(DriverProcess(Resources(cpus=2)))
        return self.started[-1]

    def on_event(self, event):
        if event.kind == "note":
            self.notes.append(event.message)
        if (event.stage, event.kind) == ("steady", "done"):
            self.done.append(event.shard)
            if len(self.done) == 1:
                self.kill()

    def kill(self):
        driver = self.started[0]
        pids = [driver._process.pid]
        if self.program != "driver":
            pids = run_processes.programs(driver._mark, (self.program,))
        assert pids
        for pid in pids:
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize(
    "program",
    [
        "raylet",
        pytest.param("gcs_server", marks=pytest.mark.slow),
        pytest.param("driver", marks=pytest.mark.slow),
    ],
)
def test_a_part_of_ray_is_killed_and_the_shards_go_on(program, tmp_path, toy_path):
    killed = Killed(program)
    healing = SelfHealing(killed.start, 3, killed.on_event, sleep=lambda seconds: None)
    try:
        ended = healing.run_chain(
            [(SOURCE, SMALL), (STEADY, SMALL)], rows(SHARDS), str(tmp_path), killed.on_event
        )
    finally:
        healing.close()
    assert sorted(row["shard"] for row in ended) == SHARDS
    assert not any(row["failed"] for row in ended)
    assert all(is_done(Folder(tmp_path), STEADY, shard, ()) for shard in SHARDS)
    assert len(killed.started) == 2
    assert len(killed.notes) == 1
    assert killed.notes[0].startswith("Ray is lost: ")
    assert killed.notes[0].endswith("the build goes on in 2 s (try 1 of 3).")
    assert len(set(killed.done)) == len(killed.done)  # none is done twice
    for driver in killed.started:
        assert run_processes.find(driver._mark) == []


def test_what_a_killed_build_leaves_is_ended_with_it(tmp_path, toy_path):
    program = (
        "import sys, time\n"
        "from pipelines.engine.driver.process import DriverProcess\n"
        "from webbody.config import Resources\n"
        "driver = DriverProcess(Resources(cpus=1))\n"
        "print(driver._mark, flush=True)\n"
        "time.sleep(600)\n"
    )
    build = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    mark = build.stdout.readline().strip()
    left = run_processes.find(mark)
    assert len(left) > 3
    build.kill()
    build.wait()
    build.stdout.close()
    for pid in left:
        _wait_for_end(pid)
    run_processes.end_orphans()
    assert run_processes.find(mark) == []


def test_no_ray_at_an_address(toy_path):
    with pytest.raises(WebbodyError, match=r"join Ray at 127\.0\.0\.1:9 .*--ray-address"):
        DriverProcess(Resources(ray_address="127.0.0.1:9"))


def test_a_lost_driver_is_told(tmp_path, toy_path):
    driver = DriverProcess(Resources(cpus=1))
    driver._process.kill()
    with pytest.raises(ExecutorLost, match="its driver process has ended"):
        driver.run_chain([(SOURCE, SMALL)], rows(["s0"]), str(tmp_path), lambda event: None)
    assert run_processes.find(driver._mark) == []


@pytest.mark.slow
def test_a_builds_metrics_reach_its_ray_while_shards_are_under_way(tmp_path, toy_path):
    driver = DriverProcess(Resources(cpus=1))
    page = ""

    def listen(event):
        nonlocal page
        if event.kind == "done":
            stages = {"steady": StageMetrics(shards=7, done=3)}
            driver.show(BuildMetrics("toy", "key", "", "", 1.0, 0, stages))
            if "ray_webbody" not in page:
                page = _page(driver._mark)

    try:
        many = rows([f"s{number}" for number in range(40)])
        driver.run_chain([(SOURCE, SMALL), (STEADY, SMALL)], many, str(tmp_path), listen)
    finally:
        driver.close()
    (line,) = (line for line in page.splitlines() if 'state="done"' in line)
    assert line.startswith("ray_webbody_shards{")
    assert 'build="toy"' in line and 'stage="steady"' in line and line.endswith(" 3.0")


def _page(mark):
    """What the agent of a driver's Ray shows to Prometheus; "" where it does not answer yet."""
    for pid in run_processes.find(mark):
        agent = psutil.Process(pid)
        for one in agent.net_connections("tcp") if "DashboardAgent" in agent.name() else ():
            if one.status == psutil.CONN_LISTEN and one.laddr.ip == "0.0.0.0":
                url = f"http://127.0.0.1:{one.laddr.port}/metrics"
                with urllib.request.urlopen(url, timeout=20) as page:
                    return page.read().decode()
    return ""


def _wait_for_end(pid):
    from time import monotonic, sleep

    from webbody.processes import is_running

    deadline = monotonic() + 30
    while is_running(pid):
        assert monotonic() < deadline, f"{pid} is still there"
        sleep(0.1)
