"""A cluster of two machines (two raylets of this one), of which one is lost in the middle."""

import contextlib
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from drawn_driver import SOURCE, STEADY, rows

from benchmarks.killed_builds import machines
from pipelines.engine.driver.healing import SelfHealing
from pipelines.engine.driver.process import DriverProcess
from pipelines.engine.graph import Node, StageTask, is_done
from webbody.commit import ALL
from webbody.config import Resources, StageResources
from webbody.storage import Folder

SHARDS = [f"s{number}" for number in range(8)]
TWO = StageResources(workers=(2, 2), cpus=0.5)
SLOW = StageTask(Node("slow", "toy_stages:Slow", is_global=True), (), "f")


@contextlib.contextmanager
def two_machines():
    """A cluster and its second machine; Ray lets nobody join a head at 127.0.0.1."""
    from ray.cluster_utils import Cluster

    head = {"node_ip_address": "127.0.0.2", "num_cpus": 1, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        yield cluster, cluster.add_node(node_ip_address="127.0.0.3", num_cpus=1)
    finally:
        cluster.shutdown()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("after", [1, 3])
def test_a_machine_is_lost_and_its_shards_are_done_elsewhere(tmp_path, toy_path, after):
    done = []
    with two_machines() as (cluster, second):

        def on_event(event):
            if (event.stage, event.kind) == ("steady", "done"):
                done.append(event.shard)
                if len(done) == after:
                    cluster.remove_node(second, allow_graceful=False)

        resources = Resources(ray_address=cluster.address)
        executor = SelfHealing(lambda: DriverProcess(resources), 5, on_event)
        try:
            stages = [(SOURCE, TWO), (STEADY, TWO)]
            ended = executor.run_chain(stages, rows(SHARDS), str(tmp_path), on_event)
        finally:
            executor.close()
    assert sorted(row["shard"] for row in ended) == SHARDS
    assert not any(row["failed"] for row in ended)
    assert all(is_done(Folder(tmp_path), STEADY, shard, ()) for shard in SHARDS)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_head_is_lost_while_a_stage_of_the_whole_build_runs(tmp_path, toy_path):
    """Another head starts at its address, and knows nothing of the call that was under way."""
    notes, out = [], Folder(tmp_path / "out")

    def on_event(event):
        notes.extend([event.message] if event.kind == "note" else [])

    with machines() as cluster, ThreadPoolExecutor(1) as pool:
        resources = Resources(ray_address=cluster.address)
        executor = SelfHealing(lambda: DriverProcess(resources), 5, on_event)
        try:
            ended = pool.submit(executor.run_once, (SLOW, TWO), out.url, ("s0",), on_event)
            while not out.names("begun"):
                time.sleep(0.5)
            cluster.replace_all()
            assert not ended.result()["failed"]
        finally:
            executor.close()
    assert len(notes) >= 1 and "Ray is lost" in notes[0]
    assert is_done(out, SLOW, ALL, ())


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_build_without_an_address_leaves_the_cluster_of_this_machine_alone(tmp_path, toy_path):
    with two_machines() as (cluster, _):
        driver = DriverProcess(Resources(cpus=1))
        try:
            small = StageResources(workers=(1, 1), cpus=0.5)
            ended = driver.run_chain([(SOURCE, small)], rows(["s0"]), str(tmp_path), print)
        finally:
            driver.close()
        assert not ended[0]["failed"]
        assert cluster.remaining_processes_alive()
