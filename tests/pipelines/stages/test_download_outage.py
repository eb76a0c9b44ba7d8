"""A server that is gone for a while, or for good, in the middle of a shard."""

import threading
import time

import pyarrow as pa
import pytest
from hostile_server import Server, jpeg
from made_stages import with_settings
from made_tables import put, run

from pipelines.base.stage import run_shard
from pipelines.fetching.web_access import WebAccess
from pipelines.stages.download import Download
from webbody.errors import WebbodyError
from webbody.storage import Folder

SHARD = "00000000"
COUNT = 60


class Flaky:
    """A server on one port that is ended in the middle of answers and started again."""

    def __init__(self) -> None:
        self.port = 0
        self.server = None
        self.answered = 0
        self.start()

    def start(self) -> None:
        server = Server(self.port)
        for number in range(COUNT):
            server.routes[f"/{number}"] = lambda it, n=number: self._answer(it, n)
        self.port, self.server = server.port, server
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()

    def _answer(self, it, number) -> None:
        time.sleep(0.02)
        self.answered += 1
        it.reply(200, jpeg(number))

    def stop(self) -> None:
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
            self.server = None


@pytest.fixture
def flaky():
    server = Flaky()
    yield server
    server.stop()


def plan(folder, port):
    put(
        folder, "plan", SHARD,
        key=pa.array([f"{n:020x}" for n in range(COUNT)], pa.string()),
        url=pa.array([f"http://127.0.0.1:{port}/{n}" for n in range(COUNT)], pa.string()),
        name=pa.array(["somebody"] * COUNT, pa.string()),
        sha256=pa.nulls(COUNT, pa.string()),
    )  # fmt: skip


def stage(**options):
    quick = {"timeout": 5, "deadline": 5, "retries": 0, "threads": 4, "outage": 30}
    return with_settings(Download, **{"allow_private": ("127.0.0.1",), **quick, **options})


def files(folder):
    return [folder.read(f"download/{SHARD}.{kind}") for kind in ("tar", "parquet")]


def test_a_server_that_was_gone_for_a_while_leaves_no_trace(flaky, tmp_path):
    calm, folder = Folder(tmp_path / "calm"), Folder(tmp_path / "out")
    plan(calm, flaky.port)
    assert run(stage(), calm, SHARD).counts["out"] == COUNT
    plan(folder, flaky.port)
    flaky.answered = 0

    def break_down():
        while flaky.answered < 20:
            time.sleep(0.005)
        flaky.stop()
        time.sleep(2.5)
        flaky.start()

    breaker = threading.Thread(target=break_down)
    breaker.start()
    notes = []
    record = run_shard(stage(), folder, SHARD, "fingerprint", {}, note=notes.append)
    breaker.join()
    assert record.counts["out"] == COUNT
    assert files(folder) == files(calm)
    assert "waiting for the network" in notes[0]
    assert "going on" in notes[-1]


def test_a_server_that_is_gone_for_good_fails_the_shard_which_is_done_later(flaky, tmp_path):
    folder = Folder(tmp_path / "out")
    plan(folder, flaky.port)
    flaky.stop()
    with pytest.raises(WebbodyError, match="its host never answered"):
        run(stage(outage=0.5), folder, SHARD)
    assert folder.names("download") == []
    flaky.start()
    assert run(stage(), folder, SHARD).counts["out"] == COUNT


def test_one_dead_host_among_others_is_no_outage(flaky, tmp_path):
    folder = Folder(tmp_path / "out")
    urls = [f"http://127.0.0.1:{flaky.port}/{n}" for n in range(20)]
    urls += [f"http://127.0.0.2:{flaky.port}/{n}" for n in range(20)]  # nobody listens there
    put(
        folder, "plan", SHARD,
        key=pa.array([f"{n:020x}" for n in range(40)], pa.string()),
        url=pa.array(urls, pa.string()),
        name=pa.array(["somebody"] * 40, pa.string()),
        sha256=pa.nulls(40, pa.string()),
    )  # fmt: skip
    started = time.monotonic()
    record = run(stage(allow_private=("127.0.0.1", "127.0.0.2")), folder, SHARD)
    assert record.counts == {"in": 40, "out": 20, "download:refused": 20}
    assert time.monotonic() - started < 10


def test_two_lists_use_what_is_known_of_hosts(flaky):
    access = WebAccess(stage().settings, 2)
    access.outage.note_response(("127.0.0.1", flaky.port), time.monotonic())
    access.outage.begin([])
    assert access.outage.is_host_failure(time.monotonic())
