"""The metrics of a build from made-up events, with a clock of the test."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.engine.worker import Event
from pipelines.monitoring.meter import BuildMeter
from pipelines.monitoring.metrics import BuildMetrics, GpuMetrics

STEPS = (("plan",), ("download", "persons"), ("identities",))
SHARDS = ("a", "b", "c", "d")


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class Played:
    """A meter and what happens to it."""

    def __init__(self):
        self.clock = Clock()
        self.meter = BuildMeter("data", STEPS, self.clock)

    def __call__(self, stage, shard, kind, seconds=0.0, **more):
        self.clock.now += seconds
        self.meter.on_event(Event(stage, shard, kind, **more))

    def stage(self, name):
        return self.meter.metrics().stages[name]


@pytest.fixture
def played():
    return Played()


@pytest.fixture
def chain(played):
    for stage in ("download", "persons"):
        played.meter.expect(stage, SHARDS, SHARDS)
    return played


def states(stage):
    return stage.waiting, stage.running, stage.done, stage.failed


def test_a_stage_waits_only_for_what_the_one_before_has_done(chain):
    assert states(chain.stage("download")) == (4, 0, 0, 0)
    assert states(chain.stage("persons")) == (0, 0, 0, 0)
    for shard in "ab":
        chain("download", shard, "started")
        chain("download", shard, "done")
    chain("download", "c", "started")
    chain("persons", "a", "started")
    assert states(chain.stage("download")) == (1, 1, 2, 0)
    assert states(chain.stage("persons")) == (1, 1, 0, 0)
    assert chain.stage("persons").shards == 4


def test_what_earlier_runs_did_is_done_but_no_rows_of_this_run(played):
    played.meter.expect("download", SHARDS, ["d"])
    played("download", "d", "started")
    played("download", "d", "done", counts={"in": 7, "out": 5}, bytes=900)
    stage = played.stage("download")
    assert (stage.shards, stage.done, stage.rows_in, stage.rows_out, stage.bytes) == (
        4,
        4,
        7,
        5,
        900,
    )
    assert "identities" not in played.meter.metrics().stages


def test_a_failed_shard_is_no_more_waited_for(chain):
    chain("download", "a", "started", 1)
    chain("download", "a", "failed", 1, message="broken")
    for shard in "bcd":
        chain("download", shard, "started", 1)
        chain("download", shard, "done", 1)
        chain("persons", shard, "started")
        chain("persons", shard, "done")
    assert states(chain.stage("download")) == (0, 0, 3, 1)
    assert states(chain.stage("persons")) == (0, 0, 3, 0)
    assert chain.stage("download").eta == chain.stage("persons").eta == 0


def test_dropped_photos_are_counted_once_by_outcome(chain):
    chain("download", "a", "started")
    chain("download", "a", "progress", counts={"in": 3, "out": 1, "download:timeout": 2})
    assert chain.stage("download").outcomes == {"download:timeout": 2}
    # Its worker dies, and another one does the shard from the beginning.
    chain("download", "a", "started", counts={"tries": 1})
    assert chain.stage("download").outcomes == {}
    chain("download", "a", "progress", counts={"in": 3, "out": 1, "download:timeout": 2})
    chain("download", "a", "progress", counts={"in": 1, "image:truncated": 1})
    chain("download", "a", "done", counts={"in": 4, "out": 1})
    stage = chain.stage("download")
    assert stage.outcomes == {"download:timeout": 2, "image:truncated": 1}
    assert (stage.rows_in, stage.retries) == (4, 1)


def test_a_stage_that_counts_at_its_end_alone(played):
    played.meter.expect("identities", ("all",), ("all",))
    played("identities", "all", "started")
    assert played.stage("identities").eta is None
    played("identities", "all", "done", 10, counts={"in": 9, "out": 4, "identity:ambiguous": 5})
    assert played.stage("identities").outcomes == {"identity:ambiguous": 5}
    assert played.stage("identities").eta == 0


def test_outcomes_without_end_are_summed_up(played):
    played.meter.expect("persons", ("a",), ("a",))
    many = {f"custom:{n}": 1000 - n for n in range(300)}
    played("persons", "a", "done", counts=many)
    told = played.stage("persons").outcomes
    assert len(told) == 101 and sum(told.values()) == sum(many.values())
    assert told["custom:0"] == 1000 and told["other"] == sum(
        many[f"custom:{n}"] for n in range(100, 300)
    )


def test_images_a_second_are_those_of_the_last_minute(chain):
    chain("download", "a", "started")
    chain.clock.now += 1
    assert chain.stage("download").images_per_second is None  # nobody knows yet
    for _ in range(120):
        chain("download", "a", "progress", 1, counts={"in": 10, "out": 10})
    assert chain.stage("download").images_per_second == pytest.approx(10, rel=0.02)
    for _ in range(120):
        chain("download", "a", "progress", 1, counts={"in": 2, "out": 2})
    assert chain.stage("download").images_per_second == pytest.approx(2, rel=0.02)
    chain.clock.now += 600  # nothing comes
    assert chain.stage("download").images_per_second == 0
    chain("download", "a", "progress", 1, counts={"in": 120, "out": 120})
    assert chain.stage("download").images_per_second == pytest.approx(2, rel=0.02)
    chain("download", "a", "done", counts={"in": 1, "out": 1})
    assert chain.stage("download").images_per_second is None


def test_the_time_left_follows_the_shards_and_the_stage_before(chain):
    chain("download", "a", "started")
    chain("download", "a", "done", 100)
    assert chain.stage("download").eta == pytest.approx(300)
    chain("persons", "a", "started")
    assert chain.stage("persons").eta is None
    chain("persons", "a", "done", 1)
    # A shard a second alone, but they come only as fast as they are downloaded.
    assert chain.stage("persons").eta == chain.stage("download").eta > 290


def test_the_time_left_forgets_how_it_was_long_ago(played):
    shards = [str(number) for number in range(1000)]
    played.meter.expect("download", shards, shards)
    for number, shard in enumerate(shards[:500]):
        played("download", shard, "started")
        played("download", shard, "done", 100 if number < 300 else 2)
    assert played.stage("download").eta == pytest.approx(500 * 2)


def test_after_the_loss_of_ray_nothing_runs_until_it_is_started_again(chain):
    chain("download", "a", "started")
    chain("ray", "", "note", counts={"restarts": 1}, message="Ray is lost.")
    assert states(chain.stage("download")) == (4, 0, 0, 0)
    assert chain.meter.metrics().restarts == 1
    chain("download", "a", "started")
    chain("download", "a", "done")
    chain("download", "a", "skipped")  # sent again with those that were lost
    assert states(chain.stage("download")) == (3, 0, 1, 0)


def test_shards_that_are_made_again_are_to_do_once_more(chain):
    for stage in ("download", "persons"):
        for shard in SHARDS:
            chain(stage, shard, "done")
    for stage in ("download", "persons"):
        chain.meter.expect(stage, None, ["b"])
    assert states(chain.stage("download")) == (1, 0, 3, 0)
    assert chain.stage("persons").shards == 4
    assert not chain.meter.is_through("download")


def test_gpus_are_those_that_were_looked_at_in_the_last_minute(chain):
    counts = {"utilization": 87, "memory": 5 << 30, "memory_total": 80 << 30}
    chain("persons", "a", "gpu", counts=counts, message="GPU-1a2b3c4d")
    assert chain.stage("persons").gpus == {"GPU-1a2b3c4d": GpuMetrics(0.87, 5 << 30, 80 << 30)}
    assert chain.stage("download").gpus == {}
    chain.clock.now += 61
    assert chain.stage("persons").gpus == {}


KINDS = ("started", "progress", "done", "skipped", "failed")


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["download", "persons"]),
            st.sampled_from(SHARDS),
            st.sampled_from(KINDS),
            st.integers(0, 9),
            st.floats(0, 100),
        )
    )
)
def test_whatever_comes_the_numbers_hold_together_and_a_line_tells_them(happened):
    played = Played()
    for stage in ("download", "persons"):
        played.meter.expect(stage, SHARDS, SHARDS)
    done = Counter()
    for stage, shard, kind, photos, seconds in happened:
        counts = {"in": photos, "face:none": photos} if kind in ("progress", "done") else {}
        played(stage, shard, kind, seconds, counts=counts)
        done[stage] += photos if kind == "done" else 0
    metrics = played.meter.metrics("run")
    for name, stage in metrics.stages.items():
        assert stage.rows_in == done[name]
        assert min(states(stage)) >= 0
        assert stage.waiting + stage.done + stage.failed <= len(SHARDS) >= stage.running
        assert stage.eta is None or stage.eta >= 0
        assert stage.images_per_second is None or stage.images_per_second >= 0
    read = BuildMetrics.from_json(metrics.to_json())
    assert read.to_json() == metrics.to_json()
    assert {n: states(s) for n, s in read.stages.items()} == {
        n: states(s) for n, s in metrics.stages.items()
    }
