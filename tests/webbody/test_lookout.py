"""Whether somebody builds in a folder, seen from outside."""

import json

import pytest

from webbody.errors import WebbodyError
from webbody.lease import LEASE, Lease
from webbody.lookout import Lookout
from webbody.storage import Folder


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


@pytest.fixture
def elsewhere(folder):
    """A function that gives a sign of life of another machine."""
    lease = Lease(folder)
    lease.take()
    values = json.loads(folder.read(LEASE)) | {"host": "another", "user": "me"}
    lease.release()

    def beat(number, **changes):
        folder.write_bytes(LEASE, json.dumps({**values, "beat": number, **changes}).encode())

    return beat


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_nobody_is_there(folder):
    assert Lookout(folder).look() is None
    folder.write_bytes(LEASE, b"[")
    assert Lookout(folder).look() is None


def test_a_process_of_this_machine_is_asked_itself(folder):
    lease = Lease(folder)
    lease.take()
    lookout = Lookout(folder)
    found = lookout.look()
    assert found.alive and found.silent == 0 and found.holder.key == lease.key != ""
    values = json.loads(folder.read(LEASE))
    gone = values["process"].rsplit("-", 1)[0] + "-1"  # another one had this number
    folder.write_bytes(LEASE, json.dumps(values | {"process": gone}).encode())
    assert not lookout.look().alive
    lease.release()


def test_one_elsewhere_is_lost_when_three_signs_are_missed(folder, elsewhere):
    clock = Clock()
    elsewhere(7)
    lookout = Lookout(folder, beat=10, clock=clock)
    first = lookout.look()
    assert first.alive and first.silent is None  # it may have been lost long ago
    assert "of me on another" in first.holder.name
    clock.now = 29
    assert lookout.look().alive
    elsewhere(8)
    clock.now = 30
    assert lookout.look().silent == 0
    clock.now = 60
    found = lookout.look()
    assert found.alive and found.silent == 30
    clock.now = 61
    assert not lookout.look().alive
    elsewhere(9)  # it had only stood still
    assert lookout.look().alive


def test_a_store_that_is_away_for_a_moment_is_no_end(folder, elsewhere, monkeypatch):
    elsewhere(1)
    lookout = Lookout(folder, beat=10)
    lookout.look()

    def away(name):
        raise ConnectionError("no route to host")

    monkeypatch.setattr(folder, "read", away)
    assert lookout.look().alive


@pytest.mark.parametrize("error", [OSError("away"), WebbodyError("away")])
def test_a_store_that_is_away_gives_no_sign_of_life(folder, elsewhere, monkeypatch, error):
    def read(file):
        raise error

    clock = Clock()
    elsewhere(7)
    lookout = Lookout(folder, beat=10, clock=clock)
    lookout.look()
    monkeypatch.setattr(folder, "read", read)
    clock.now = 20.0
    assert lookout.look().alive
    clock.now = 31.0
    assert not lookout.look().alive
    with pytest.raises(type(error), match="away"):
        Lookout(folder, beat=10, clock=clock).look()
