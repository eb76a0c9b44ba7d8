"""The places of a host hold over all workers together."""

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.fetching import place_book
from pipelines.fetching.hosts import Hosts
from pipelines.fetching.place_book import PlaceBook
from pipelines.fetching.transport import Clock

MOST = 6
#: A worker asks: which one, how many more it could use, how many it has finished with.
ASKS = st.lists(st.tuples(st.sampled_from("abcd"), st.integers(1, 9), st.integers(0, 9)))


@given(ASKS)
def test_never_more_than_all_places_are_out(asks):
    book, held, used = PlaceBook(), {}, {}
    for worker, more, done in asks:
        used[worker] = max(used.get(worker, 0) - done, 0)
        share = book.share("h", worker, used[worker], used[worker] + more, MOST)
        held[worker] = share.places
        used[worker] = min(used[worker] + more, share.places)
        assert sum(held.values()) <= MOST
        assert sum(used.values()) <= MOST


def test_a_worker_that_had_all_gives_way_to_others():
    book = PlaceBook()
    assert book.share("h", "a", 0, 9, MOST).places == MOST
    assert book.share("h", "b", 0, 9, MOST).places == 0
    assert book.share("h", "a", 2, 9, MOST).places == 3  # it may use fewer from now on
    share = book.share("h", "b", 0, 9, MOST)
    assert (share.places, share.sharers) == (3, 2)
    assert book.share("other", "b", 0, 9, MOST).places == MOST


def test_workers_that_left_or_are_lost_do_not_count(monkeypatch):
    book = PlaceBook()
    assert book.share("h", "a", 0, 9, MOST).places == MOST
    book.leave(["h", "unknown"], "a")
    assert book.share("h", "b", 3, 9, MOST).places == MOST
    assert book.share("h", "c", 0, 9, MOST).places == 0
    monkeypatch.setattr(place_book, "_LOST", 0.05)
    time.sleep(0.1)
    assert book.share("h", "c", 0, 9, MOST).places == MOST


class Places:
    """A worker's view of a book in the same process."""

    def __init__(self, book, worker):
        self.book, self.worker, self.asked = book, worker, 0

    def ask(self, host, in_use, wanted, most):
        self.asked += 1
        return self.book.share(host, self.worker, in_use, wanted, most)

    def leave(self, hosts):
        self.book.leave(hosts, self.worker)


@pytest.mark.parametrize("interval", [0, 0.05])
def test_two_workers_keep_to_the_places_and_pauses_of_one(interval):
    book, lock = PlaceBook(), threading.Lock()
    now, most, times, done = 0, 0, [], []

    def work(hosts):
        nonlocal now, most
        for _ in range(6):
            with hosts.place("h", Clock(9, 9)):
                with lock:
                    now += 1
                    most = max(most, now)
                    times.append(time.monotonic())
                time.sleep(0.01)
                with lock:
                    now -= 1
        done.append(hosts)
        if done.count(hosts) == 3:
            hosts.leave()

    threads = []
    for name in "ab":
        hosts = Hosts(2, interval)
        hosts.shared = Places(book, name)
        threads += [threading.Thread(target=work, args=(hosts,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(times) == 36
    assert most <= 2
    assert max(times) - min(times) >= 30 * interval * 0.9


def test_a_worker_alone_waits_for_nobody_and_seldom_asks():
    hosts = Hosts(8, 0)
    hosts.shared = places = Places(PlaceBook(), "a")
    barrier = threading.Barrier(8)

    def work():
        with hosts.place("h", Clock(5, 5)):
            barrier.wait(5)  # all at the same time

    threads = [threading.Thread(target=work) for _ in range(8)]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - started < 1
    for _ in range(100):
        with hosts.place("h", Clock(5, 5)):
            pass
    assert places.asked <= 12


def test_what_a_worker_leaves_is_there_for_others():
    book = PlaceBook()
    first, second = Hosts(2, 0), Hosts(2, 0)
    first.shared, second.shared = Places(book, "a"), Places(book, "b")
    for hosts in (first, second, first):
        for _ in range(2):
            with hosts.place("h", Clock(5, 5)):
                pass
        hosts.leave()
