"""Toy stages as tasks, and the rows that send shards through them."""

from pipelines.engine.graph import Node, StageTask
from pipelines.engine.rows import row_of
from webbody.config import StageResources

SOURCE = StageTask(Node("source", "toy_stages:Source"), (), "f")
STEADY = StageTask(Node("steady", "toy_stages:Steady"), ("source",), "f")
SMALL = StageResources(workers=(1, 1), cpus=0.25)


def rows(shards):
    return [row_of(shard) for shard in shards]
