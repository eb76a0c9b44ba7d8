"""A cluster of two machines (two raylets of this one), of which one is lost in the middle."""

import pytest
from drawn_driver import SOURCE, STEADY, rows

from pipelines.engine.driver.process import DriverProcess
from pipelines.engine.graph import is_done
from webbody.config import Resources, StageResources
from webbody.storage import Folder

SHARDS = [f"s{number}" for number in range(8)]
TWO = StageResources(workers=(2, 2), cpus=0.5)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_machine_is_lost_and_its_shards_are_done_elsewhere(tmp_path, toy_path):
    from ray.cluster_utils import Cluster

    here = {"node_ip_address": "127.0.0.1", "num_cpus": 1}
    cluster = Cluster(initialize_head=True, head_node_args={**here, "include_dashboard": False})
    second = cluster.add_node(**here)
    done = []

    def on_event(event):
        if (event.stage, event.kind) == ("steady", "done"):
            done.append(event.shard)
            if len(done) == 2:
                cluster.remove_node(second, allow_graceful=False)

    try:
        driver = DriverProcess(Resources(ray_address=cluster.address))
        try:
            stages = [(SOURCE, TWO), (STEADY, TWO)]
            ended = driver.run_chain(stages, rows(SHARDS), str(tmp_path), on_event)
        finally:
            driver.close()
    finally:
        cluster.shutdown()
    assert sorted(row["shard"] for row in ended) == SHARDS
    assert not any(row["failed"] for row in ended)
    assert all(is_done(Folder(tmp_path), STEADY, shard, ()) for shard in SHARDS)
