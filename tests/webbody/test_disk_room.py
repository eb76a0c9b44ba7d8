"""Room is waited for, and a disk is not filled."""

import shutil
from types import SimpleNamespace

import pytest

from webbody import disk_room
from webbody.disk_room import DiskRoom
from webbody.errors import WebbodyError


@pytest.fixture
def free(monkeypatch):
    """What a disk answers, look after look; the last for good."""
    answers = []

    def usage(place):
        return SimpleNamespace(free=answers.pop(0) if len(answers) > 1 else answers[0], total=8e9)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    monkeypatch.setattr(disk_room, "_PAUSE", 0.001)
    return answers


def test_where_there_is_room_nobody_waits(tmp_path, free):
    free[:] = [3e9]
    room, waits = DiskRoom([str(tmp_path)], keep=2_000_000_000), []
    room.wait(waits.append)
    room.check()
    assert not waits


def test_room_that_the_disk_cannot_have_is_not_waited_for(tmp_path, free):
    free[:] = [7e9]
    room, waits = DiskRoom([str(tmp_path)], keep=9_000_000_000), []
    with pytest.raises(WebbodyError, match=r"7\.0 GB free, and 9\.0 GB are needed: .*lower"):
        room.wait(waits.append)
    assert not waits


def test_room_that_comes_is_waited_for(tmp_path, free):
    free[:] = [1e9, 1e9, 1e9, 3e9]
    room, waits = DiskRoom([str(tmp_path / "not/there")], keep=2_000_000_000), []
    room.wait(waits.append)
    assert waits == [
        f"{tmp_path}/not/there has 1.0 GB free, and 2.0 GB are needed; waiting up to 600 s for "
        "room."
    ]


def test_a_shard_as_large_as_those_before_must_have_room(tmp_path, free):
    free[:] = [3e9]
    room = DiskRoom([str(tmp_path)], keep=2_000_000_000, patience=0.01)
    room.wrote(1_500_000_000)
    with pytest.raises(WebbodyError, match=r"3\.0 GB free, and 3\.5 GB are needed: .*free_disk"):
        room.wait(lambda text: None)


def test_after_waiting_in_vain_the_next_shard_fails_at_once_until_there_is_room(tmp_path, free):
    free[:] = [1e9]
    room, waits = DiskRoom([str(tmp_path)], keep=2_000_000_000, patience=0.01), []
    for _ in range(3):
        with pytest.raises(WebbodyError, match="make room"):
            room.wait(waits.append)
    assert len(waits) == 1
    free[:] = [3e9]
    room.wait(waits.append)


def test_what_runs_may_use_half_of_what_is_kept(tmp_path, free):
    room = DiskRoom([str(tmp_path)], keep=2_000_000_000)
    free[:] = [1.1e9]
    room.check()
    free[:] = [0.9e9]
    with pytest.raises(WebbodyError, match=r"0\.9 GB free, and 1\.0 GB are needed"):
        room.check()
