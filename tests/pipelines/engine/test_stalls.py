import pytest

from pipelines.engine.stalls import StallWatch


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
