import threading

import pytest

from pipelines.engine import stalls
from pipelines.engine.stalls import NodeWatch, StallWatch, waited


class Waiting:
    """A clock, and the actors that wait to start again."""

    def __init__(self):
        self.now, self.actors = 0.0, []

    def watch(self):
        return StallWatch(lambda: self.actors, patience=60, clock=lambda: self.now)

    def at(self, watch, now, *actors):
        self.now, self.actors = now, list(actors)
        return watch.is_stalled()


@pytest.fixture
def waiting():
    return Waiting()


def test_a_worker_that_finds_no_room_while_nothing_happens_is_a_stall(waiting):
    watch = waiting.watch()
    assert [waiting.at(watch, now, "a") for now in (10, 69, 70)] == [False, False, True]


def test_silence_alone_is_none(waiting):
    watch = waiting.watch()
    assert not waiting.at(watch, 1000)
    assert not waiting.at(watch, 2000)


def test_events_are_a_sign_of_life(waiting):
    watch = waiting.watch()
    waiting.at(watch, 10, "a")
    waiting.now = 50
    watch.hear()
    assert not waiting.at(watch, 100, "a")
    assert waiting.at(watch, 110, "a")


def test_workers_that_do_start_again_are_none(waiting):
    watch = waiting.watch()
    waiting.at(watch, 10, "a")
    waiting.at(watch, 50, "b")  # a has started
    assert not waiting.at(watch, 90, "b")
    assert waiting.at(watch, 110, "b")


def test_a_node_that_is_not_seen_for_a_minute_is_lost():
    clock, nodes = Waiting(), ["here", "other"]
    watch = NodeWatch("here", lambda: nodes, patience=60, clock=lambda: clock.now)
    clock.now = 50
    watch.look()
    clock.now = 100
    assert not watch.is_lost()
    nodes.remove("here")
    watch.look()
    assert not watch.is_lost()
    clock.now = 110
    assert watch.is_lost()
    nodes.append("here")
    watch.look()
    assert not watch.is_lost()


def test_a_head_that_does_not_answer_has_not_seen_the_node():
    clock = Waiting()

    def alive():
        raise ConnectionError("no head")

    watch = NodeWatch("here", alive, patience=60, clock=lambda: clock.now)
    watch.look()
    clock.now = 60
    assert watch.is_lost()


def test_work_gives_its_value_or_its_error():
    assert waited(lambda: 3, lambda: None) == 3
    with pytest.raises(ZeroDivisionError):
        waited(lambda: 1 // 0, lambda: None)


def test_waiting_ends_where_there_is_no_hope(monkeypatch):
    monkeypatch.setattr(stalls, "_LOOK_SECONDS", 0.01)
    ended = threading.Event()

    def check():
        raise KeyError("lost")

    with pytest.raises(KeyError):
        waited(ended.wait, check)
    ended.set()
