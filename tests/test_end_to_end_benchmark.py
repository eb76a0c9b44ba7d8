"""What benchmarks/end_to_end.py hangs on: a build's course, and a web that takes its time."""

import time
from urllib.parse import quote
from urllib.request import urlopen

import pyarrow.parquet as pq
import pytest

from benchmarks.end_to_end import CHAIN, Watch, draw, served
from pipelines.engine.worker import Event


def test_a_course_goes_from_the_first_download_to_the_last_clusters() -> None:
    watch = Watch(alone=False)
    for shard in ("a", "b"):
        for stage in CHAIN:
            watch(Event(stage, shard, "started"))
            time.sleep(0.01)
            watch(Event(stage, shard, "done", seconds=0.5))
    course = watch.end()
    assert course.span(*CHAIN) == course.ended[CHAIN[-1]] - course.began[CHAIN[0]]
    assert course.span("faces") >= 0.04  # from its first shard to its second, others between
    assert course.seconds == dict.fromkeys(CHAIN, 1.0)
    assert course.total >= course.span(*CHAIN) >= 0.08


def test_processor_seconds_are_those_of_the_chain_or_of_each_stage_alone() -> None:
    def compute() -> None:
        ends = time.process_time() + 0.1
        while time.process_time() < ends:
            pass

    for alone in (True, False):
        watch = Watch(alone)
        for stage in CHAIN:
            watch(Event(stage, "a", "started"))
            compute()
            watch(Event(stage, "a", "done"))
        found = watch.end().processor
        if alone:
            assert all(0.05 < found[stage] < 5 for stage in CHAIN)
        else:
            assert 0.3 < found["chain"] < 20


def test_a_failed_shard_ends_the_measurement() -> None:
    with pytest.raises(RuntimeError, match="faces a: no room"):
        Watch(alone=False)(Event("faces", "a", "failed", message="no room"))


def test_every_listed_url_is_answered_with_a_picture_after_the_latency(tmp_path) -> None:
    web, manifest, count = draw(tmp_path / "web", names=2, images=6)
    urls = pq.read_table(manifest)["url"].to_pylist()
    assert 4 <= len(urls) == count < pq.read_metadata(web.manifest).num_rows
    with served(web, 0.2):
        for url in urls:
            started = time.perf_counter()
            with urlopen(quote(url, safe=":/?=&%")) as answer:
                assert answer.read()
            assert time.perf_counter() - started >= 0.2
