"""Two writers in one folder: only one of them, and a dead one stands in nobody's way."""

import json
import subprocess
import sys
import threading
import time

import pytest
from lease_contenders import contend

from webbody.errors import WebbodyError
from webbody.lease import LEASE, Lease, writing
from webbody.lease_holder import Holder
from webbody.storage import Folder

HOLD = (
    "import sys, time\n"
    "from webbody.lease import Lease\n"
    "from webbody.storage import Folder\n"
    "Lease(Folder(sys.argv[1])).take()\n"
    "print('held', flush=True)\n"
    "time.sleep(600)\n"
)


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def elsewhere(folder, **changes):
    """Let the lease be one of another machine."""
    values = json.loads(folder.read(LEASE)) | {"host": "another", **changes}
    folder.write_bytes(LEASE, json.dumps(values).encode())


def test_a_process_that_lives_keeps_others_out(tmp_path, holder):
    with pytest.raises(WebbodyError, match=f"written by process {holder.pid} of .*--out"):
        Lease(Folder(tmp_path)).take()
    holder.kill()
    holder.wait()
    lease = Lease(Folder(tmp_path))
    lease.take()
    lease.release()
    assert not (tmp_path / LEASE).exists()


def test_a_holder_elsewhere_is_alive_while_it_gives_signs(tmp_path):
    folder, waits = Folder(tmp_path), []
    Lease(folder, beat=60).take()
    elsewhere(folder)
    stop = threading.Event()

    def live():
        beat = 0
        while not stop.wait(0.05):
            beat += 1
            elsewhere(folder, beat=beat)

    thread = threading.Thread(target=live)
    thread.start()
    try:
        with pytest.raises(WebbodyError, match="on another: wait for its end"):
            Lease(folder, beat=0.3, on_wait=waits.append).take()
    finally:
        stop.set()
        thread.join()
    assert len(waits) == 1
    assert "waiting up to 1 s for a sign of its life" in waits[0]


def test_a_holder_elsewhere_that_gives_none_is_taken_over(tmp_path):
    folder = Folder(tmp_path)
    old = Lease(folder, beat=60)
    old.take()
    elsewhere(folder, key="other")
    new = Lease(folder, beat=0.05)
    new.take()
    assert json.loads(folder.read(LEASE))["host"] != "another"
    new.release()


def test_who_was_taken_over_is_told_and_leaves_the_new_one_alone(tmp_path):
    folder = Folder(tmp_path)
    lease = Lease(folder, beat=0.05)
    lease.take()
    lease.check()
    elsewhere(folder, key="other")
    deadline = time.monotonic() + 10
    with pytest.raises(WebbodyError, match=r"taken over by process .* on another"):
        while time.monotonic() < deadline:
            lease.check()
            time.sleep(0.02)
    lease.release()
    assert json.loads(folder.read(LEASE))["key"] == "other"


def test_signs_of_life(tmp_path):
    folder = Folder(tmp_path)
    lease = Lease(folder, beat=0.05)
    lease.take()
    deadline = time.monotonic() + 10
    while json.loads(folder.read(LEASE))["beat"] < 2:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    lease.release()


def test_a_piece_of_work_inside_another_of_the_same_process(tmp_path):
    folder = Folder(tmp_path)
    with writing(folder):
        with writing(folder):
            pass
        assert folder.size(LEASE) is not None
    assert folder.size(LEASE) is None


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"null", b'{"host": 1}', b"\xff"])
def test_a_lease_that_nobody_can_read_holds_nobody(tmp_path, content):
    folder = Folder(tmp_path)
    folder.write_bytes(LEASE, content)
    with writing(folder):
        assert json.loads(folder.read(LEASE))["key"]


@pytest.mark.parametrize("before", [None, b"{", Holder("", "1-2-3", "x", "k").content])
def test_of_several_that_come_at_once_one_writes(tmp_path, before):
    if before is not None:
        Folder(tmp_path).write_bytes(LEASE, before)
    assert contend(str(tmp_path), 3) == ["refused", "refused", "taken"]
    assert [path.name for path in tmp_path.iterdir()] == [LEASE]


def test_who_followed_and_ended_meanwhile_stands_in_nobodys_way(tmp_path):
    folder = Folder(tmp_path)
    folder.write_bytes(LEASE, Holder("", "1-2-3", "x", "dead").content)
    folder.write_bytes(f"{LEASE}.dead", Holder("", "1-2-4", "x", "killed").content)
    folder.write_bytes(f"{LEASE}.killed", Holder("", "1-2-5", "x", "too").content)
    lease = Lease(folder, beat=0.05)
    lease.take()
    assert [path.name for path in tmp_path.iterdir()] == [LEASE]
    lease.release()
    assert list(tmp_path.iterdir()) == []
