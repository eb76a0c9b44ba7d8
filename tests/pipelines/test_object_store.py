"""Builds in an object store: the same bytes, and few calls where there is nothing to do."""

import subprocess
import sys

import fsspec
import pytest
import yaml
from test_build import digests

from benchmarks.object_store import object_store
from pipelines.build import build
from pipelines.inspection.status import status
from webbody.lease import LEASE
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
@pytest.mark.parametrize("stage", ["download", "clusters", "pack"])
def test_killed_in_the_middle_and_finished_by_another(demo, in_process, store, tmp_path, stage):
    out = f"s3://bucket/killed-{stage}"
    config = demo.settings(out)
    file = tmp_path / "settings.yaml"
    file.write_text(yaml.safe_dump(config.model_dump(mode="json")), "utf-8")
    done = subprocess.run([sys.executable, "-c", KILLED, str(file), stage])
    assert done.returncode == -9
    assert not status(out).complete
    assert build(config).complete
    assert digests(fetched(out, tmp_path / "copy")) == digests(demo.out)
    assert Folder(out).size(LEASE) is None
