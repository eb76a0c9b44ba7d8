"""What whoever watches Ray sees of a build: series for Prometheus, stages by their names."""

import re
import time
import urllib.request

import pytest
import ray
from toy_stages import Fragile

from pipelines.engine.cluster import Cluster
from pipelines.engine.graph import Node, StageTask
from pipelines.engine.rows import row_of
from pipelines.monitoring.meter import BuildMeter
from pipelines.monitoring.series import ALL
from webbody.config import Resources, StageResources

SOURCE = StageTask(Node("source", "toy_stages:Source"), (), "f")
FRAGILE = StageTask(Node("fragile", "toy_stages:Fragile"), Fragile.needs, "f")
SMALL = StageResources(workers=(1, 1), cpus=0.25)
SHARDS = ("good-1", "raise", "good-2")
_SAMPLE = re.compile(r"ray_(webbody_\w+)\{(.*)\} (\S+)")


def scrape() -> dict[tuple[str, ...], float]:
    """The series of builds in Ray's own page for Prometheus: (name, stage, state) -> value."""
    (node,) = (node for node in ray.nodes() if node["Alive"])
    url = f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics"
    with urllib.request.urlopen(url, timeout=10) as page:
        text = page.read().decode()
    found = {}
    for name, labels, value in _SAMPLE.findall(text):
        of = dict(re.findall(r'(\w+)="([^"]*)"', labels))
        if of.get("build") == "toy":
            key = (name, *(of[label] for label in ("stage", "state") if label in of))
            found[key] = float(value)
    return found


@pytest.fixture(scope="module")
def ended(ray_session, tmp_path_factory):
    """A chain of two stages on Ray that has come to its end: its folder and metrics."""
    out = tmp_path_factory.mktemp("watched")
    cluster = Cluster(Resources(retries=0))
    meter = BuildMeter("toy", (("source", "fragile"),))
    for stage in ("source", "fragile"):
        meter.expect(stage, SHARDS, SHARDS)
    rows = [row_of(shard) for shard in SHARDS]
    stages = [(SOURCE, SMALL), (FRAGILE, SMALL)]
    cluster.run_chain(stages, rows, str(out), meter.on_event)
    return cluster, out, meter.metrics("key")


@pytest.mark.slow  # Ray tells its metrics every ten seconds
def test_prometheus_finds_the_build_at_ray_own_port(ended):
    cluster, out, metrics = ended
    cluster.show(metrics)
    deadline = time.monotonic() + 30
    while not (found := scrape()) and time.monotonic() < deadline:
        time.sleep(0.5)
    written = {
        stage: sum(path.stat().st_size for path in (out / stage).glob("*.parquet"))
        for stage in ("source", "fragile")
    }
    expected = {
        ("webbody_shards", "source", "done"): 3,
        ("webbody_shards", "source", "waiting"): 0,
        ("webbody_shards", "fragile", "done"): 2,
        ("webbody_shards", "fragile", "failed"): 1,
        ("webbody_shards_planned", "fragile"): 3,
        ("webbody_rows_in_total", "source"): 3,
        ("webbody_rows_out_total", "fragile"): 2,
        ("webbody_written_bytes_total", "source"): written["source"],
        ("webbody_written_bytes_total", "fragile"): written["fragile"],
        ("webbody_eta_seconds", "fragile"): 0,
    }
    assert {key: found.get(key) for key in expected} == expected
    assert found["webbody_worker_seconds_total", "source"] > 0
    assert {key[0] for key in found} <= {series.name for series in ALL}
    assert not any("gpu" in key[0] for key in found)  # there is none: no series, not zero


def test_ray_calls_the_workers_by_their_stage(ended):
    from ray._private.state import actors

    names = {actor["ActorClassName"] for actor in actors().values()}
    assert {"MapWorker(Map(source))", "MapWorker(Map(fragile))"} <= names
