"""A worker dies whose room another stage's worker takes: the chain would wait for ever."""

import pytest
from drawn_driver import STEADY, rows

from pipelines.engine.driver.healing import SelfHealing
from pipelines.engine.driver.process import DriverProcess
from pipelines.engine.graph import Node, StageTask, is_done
from webbody.config import Resources, StageResources
from webbody.storage import Folder

FIRST = StageTask(Node("source", "toy_stages:DiesOnce"), (), "f")
SHARDS = ["s0", "s1", "last"]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_build_starts_ray_again(tmp_path, toy_path):
    notes = []

    def on_event(event):
        notes.extend([event.message] if event.kind == "note" else [])

    # One CPU holds two workers; the second one of the later stage waits for the room of the first.
    stages = [
        (FIRST, StageResources(workers=(1, 1), cpus=0.5)),
        (STEADY, StageResources(workers=(2, 2), cpus=0.5)),
    ]
    executor = SelfHealing(lambda: DriverProcess(Resources(cpus=1)), 5, on_event)
    try:
        ended = executor.run_chain(stages, rows(SHARDS), str(tmp_path), on_event)
    finally:
        executor.close()
    assert len(notes) == 1 and "found no room" in notes[0]
    assert not any(row["failed"] for row in ended)
    assert all(is_done(Folder(tmp_path), STEADY, shard, ()) for shard in SHARDS)
