"""When the metrics are shown: seldom, but at once where a stage begins or ends."""

from itertools import pairwise

import pytest

from pipelines.engine.worker import Event
from pipelines.monitoring.meter import BuildMeter
from pipelines.monitoring.recorder import MetricsRecorder


class Build:
    def __init__(self, shards, least=5.0):
        self.now, self.shown = 0.0, []
        meter = BuildMeter("data", (("download", "persons"),), lambda: self.now)
        for stage in ("download", "persons"):
            meter.expect(stage, shards, shards)
        self.recorder = MetricsRecorder(meter, least, lambda: self.now)

    def begin(self):
        self.recorder.begin("key", self.shown.append)

    def event(self, stage, shard, kind, counts=None):
        self.recorder.on_event(Event(stage, shard, kind, counts or {}))


@pytest.fixture
def build():
    return Build(["a", "b"])


def test_nothing_is_shown_before_the_build_changes_something(build):
    build.event("download", "a", "started")
    build.event("download", "a", "done")
    build.recorder.show()
    build.begin()
    assert [metrics.stages["download"].done for metrics in build.shown] == [1]
    assert build.shown[0].run == "key"


def test_a_stage_that_begins_or_ends_is_shown_at_once(build):
    build.begin()
    seen = []
    for stage, shard, kind in [
        ("download", "a", "started"), ("download", "b", "started"), ("download", "a", "done"),
        ("persons", "a", "started"), ("download", "b", "failed"), ("persons", "a", "done"),
    ]:  # fmt: skip
        before = len(build.shown)
        build.event(stage, shard, kind)
        seen.append(len(build.shown) - before)
    assert seen == [1, 0, 0, 1, 1, 0]  # persons still waits for a shard that is lost


def test_however_many_events_there_are_the_moments_are_few():
    build = Build([])
    build.begin()
    hours = 40 * 3600
    at = []
    for second in range(hours):
        build.now = float(second)
        before = len(build.shown)
        build.event("download", "a", "progress", {"in": 100})
        at += [second] * (len(build.shown) - before)
    gaps = [after - before for before, after in pairwise(at)]
    assert min(gaps) == 5 and max(gaps) == 60 and sorted(gaps) == gaps
    assert len(at) < hours / 60 + 2000
