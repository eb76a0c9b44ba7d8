"""Builds in an object store: the same bytes, and few calls where there is nothing to do."""

import asyncio
import subprocess
import sys
from itertools import pairwise

import fsspec
import pytest
import s3fs
import yaml
from test_build import digests

from benchmarks.made_shards import config_of, write_list
from benchmarks.object_store import object_store
from pipelines.build import build
from pipelines.inspection.status import status
from pipelines.monitoring.metrics import BuildMetrics, StageMetrics
from pipelines.monitoring.metrics_file import MetricsFile
from webbody.cli.follow import follow
from webbody.cli.printing import PlainConsole
from webbody.errors import WebbodyError
from webbody.lease import LEASE, Lease
from webbody.snapshot import INDEX
from webbody.storage import Folder


@pytest.fixture(scope="module")
def running_store(tmp_path_factory):
    with object_store(tmp_path_factory.mktemp("store") / "log") as store:
        yield store


@pytest.fixture
def store(running_store, monkeypatch):
    for name, value in running_store.environment.items():
        monkeypatch.setenv(name, value)
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    return running_store


def fetched(url, to):
    """A copy of a folder of the store."""
    folder = Folder(url)
    folder.fs.get(folder.root, str(to), recursive=True)
    return to


def test_a_bucket_that_is_not_there_is_told_in_one_sentence(store):
    with pytest.raises(WebbodyError, match=r"^s3://nobucket/build: there is no such bucket; make"):
        Folder("s3://nobucket/build").look()


def test_the_same_bytes_and_few_calls_where_nothing_is_to_do(demo, in_process, store, tmp_path):
    out = "s3://bucket/build"
    before = store.requests
    assert build(demo.settings(out)).complete
    assert digests(fetched(out, tmp_path / "copy")) == digests(demo.out)
    whole = store.requests - before
    folder = Folder(out)
    assert folder.size(LEASE) is None
    assert folder.names(INDEX)
    before = store.requests
    again = build(demo.settings(out))
    assert again.complete and again.ran == 0
    calls = store.requests - before
    # Listings, segments of the index and tables of the whole: none of it is of a single shard.
    assert calls < 45 < whole / 5, store.tail(calls)
    before = store.requests
    assert status(out).complete
    assert store.requests - before < 20
    # What is lost is seen, and made again.
    lost = next(name for name in folder.names("faces") if name.endswith(".parquet"))
    folder.remove(f"faces/{lost}")
    assert not status(out).complete
    assert build(demo.settings(out)).complete
    assert digests(fetched(out, tmp_path / "again")) == digests(demo.out)


def test_looking_on_from_outside_costs_four_calls_at_a_time(store, capsys):
    folder = Folder("s3://bucket/followed")
    lease, file = Lease(folder), MetricsFile(folder)
    assert follow(folder.url, None, PlainConsole()) == f"Nobody builds in {folder.url} now."
    lease.take()
    stages = {"persons": StageMetrics(shards=9, done=4)}
    for elapsed in range(3):
        file.add(BuildMetrics("d", lease.key, "then", "now", float(elapsed), 0, stages))
    assert folder.names() == [LEASE, "metrics.jsonl"]
    looks = []

    def sleep(seconds):
        looks.append(store.requests)
        if len(looks) == 4:
            lease.release()

    follow(folder.url, None, PlainConsole(), sleep)
    assert [after - before for before, after in pairwise(looks)] == [4, 4, 4]
    assert "persons     4/9 shards" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_steps_that_wait_for_one_another_do_not_grow_with_the_shards(
    in_process, store, tmp_path, monkeypatch
):
    """Each request takes 50 ms more; counted is how often all that were sent had to be awaited."""
    waiting, steps = 0, 0
    call = s3fs.S3FileSystem._call_s3

    async def slow(self, *args, **kwargs):
        nonlocal waiting, steps
        steps += waiting == 0
        waiting += 1
        try:
            await asyncio.sleep(0.05)
            return await call(self, *args, **kwargs)
        finally:
            waiting -= 1

    monkeypatch.setattr(s3fs.S3FileSystem, "_call_s3", slow)
    found = {}
    for shards in (4, 16):
        local, out = tmp_path / f"{shards}", f"s3://bucket/slow-{shards}"
        manifest = write_list(tmp_path / f"{shards}.csv", shards)
        build(config_of(manifest, str(local)))
        folder = Folder(out)
        folder.fs.put(f"{local}/", f"{folder.root}/", recursive=True)
        for kind in ("first", "again"):
            before, settings = steps, config_of(manifest, out)
            assert build(settings).ran == 0
            found[kind, "build", shards] = steps - before
            before = steps
            assert status(out).complete
            found[kind, "status", shards] = steps - before
    for kind in ("first", "again"):
        for what in ("build", "status"):
            assert found[kind, what, 16] <= found[kind, what, 4] + 2, found
    assert found["again", "build", 16] < 45 and found["again", "status", 16] < 20, found


KILLED = """
import os, sys
import yaml
import pipelines.build
from pipelines.engine.in_process import InProcess
from webbody.config import BuildConfig

pipelines.build.start_executor = lambda resources, on_event: InProcess(resources)
config = BuildConfig.model_validate(yaml.safe_load(open(sys.argv[1])))

def on_event(event):
    if (event.stage, event.kind) == (sys.argv[2], "done"):
        os.kill(os.getpid(), 9)

pipelines.build.build(config, on_event)
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("stage", "evict"),
    [("download", False), ("clusters", False), ("pack", False), ("persons", True), ("pack", True)],
)
def test_killed_in_the_middle_and_finished_by_another(
    demo, in_process, store, tmp_path, stage, evict
):
    out = f"s3://bucket/killed-{stage}-{evict}"
    config = demo.settings(out, f"resources.evict={evict}")
    file = tmp_path / "settings.yaml"
    file.write_text(yaml.safe_dump(config.model_dump(mode="json")), "utf-8")
    done = subprocess.run([sys.executable, "-c", KILLED, str(file), stage])
    assert done.returncode == -9
    assert not status(out).complete
    folder = Folder(out)

    def on_event(event):
        if evict and (event.stage, event.kind) == ("faces", "done"):
            assert folder.size(f"download/{event.shard}.tar") is None

    assert build(config, on_event).complete
    assert folder.size(LEASE) is None
    left = [n for stage in ("download", "persons") for n in folder.names(stage) if "tar" in n]
    assert evict == (not left)
    assert digests(fetched(out, tmp_path / "copy")) == digests(demo.out)
