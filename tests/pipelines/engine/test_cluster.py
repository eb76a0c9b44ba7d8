from pipelines.engine.cluster import Cluster
from pipelines.engine.graph import Node, StageTask, is_done
from pipelines.engine.rows import row_of
from webbody.config import Resources, StageResources
from webbody.storage import Folder

SOURCE = StageTask(Node("source", "toy_stages:Source"), (), "f")
FRAGILE = StageTask(Node("fragile", "toy_stages:Fragile"), ("source",), "f")
SMALL = StageResources(workers=(1, 1), cpus=0.25)


def send(out, shards, events=None):
    rows = [row_of(shard) for shard in shards]
    cluster = Cluster(Resources(retries=1))
    hear = (lambda event: None) if events is None else events.append
    try:
        ended = cluster.run_chain([(SOURCE, SMALL), (FRAGILE, SMALL)], rows, str(out), hear)
    finally:
        cluster.close()
    return {row["shard"]: row for row in ended}


def test_a_bad_shard_fails_alone(ray_session, tmp_path):
    events = []
    ended = send(tmp_path, ["good-1", "raise", "good-2", "told", "good-3"], events)
    assert {s for s, row in ended.items() if not row["failed"]} == {"good-1", "good-2", "good-3"}
    assert ended["raise"]["failed"] == "fragile"
    assert ended["raise"]["message"] == "ValueError: broken shard"
    assert ended["told"]["message"] == "make room and try again."
    folder = Folder(tmp_path)
    for shard, row in ended.items():
        assert is_done(folder, SOURCE, shard, ())
        assert is_done(folder, FRAGILE, shard, ()) == (not row["failed"])
    kinds = [(e.stage, e.shard, e.kind) for e in events]
    assert ("fragile", "raise", "failed") in kinds
    assert ("fragile", "good-2", "done") in kinds


def test_a_shard_that_kills_its_worker_is_given_up_and_the_others_go_on(ray_session, tmp_path):
    ended = send(tmp_path, ["good-1", "die", "good-2"])
    assert {s for s, row in ended.items() if not row["failed"]} == {"good-1", "good-2"}
    assert ended["die"]["failed"] == "fragile"
    assert "worker process died 2 times" in ended["die"]["message"]
    assert not is_done(Folder(tmp_path), FRAGILE, "die", ())


def test_committed_shards_are_skipped(ray_session, tmp_path):
    send(tmp_path, ["good-1"])
    events = []
    send(tmp_path, ["good-1"], events)
    assert {e.kind for e in events} == {"skipped"}
