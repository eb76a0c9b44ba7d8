"""A failure is a host's own, or the network's: then all wait, and what failed is asked again."""

import threading
import time

import pytest

from pipelines.fetching.outage import Outage
from webbody.errors import WebbodyError

A, B = ("a.org", 80), ("b.org", 443)


class Net:
    """Hosts that answer or do not."""

    def __init__(self, *up) -> None:
        self.up = set(up)
        self.tried = []

    def __call__(self, host) -> bool:
        self.tried.append(host)
        return host in self.up


def test_another_answer_shows_that_the_network_is_there():
    net = Net()
    outage = Outage(net, 60)
    threading.Timer(0.05, outage.note_response, [B, time.monotonic() + 0.5]).start()
    assert outage.is_host_failure(time.monotonic())
    assert net.tried == []


def test_a_host_that_answered_before_is_tried():
    net = Net(B)
    outage = Outage(net, 60)
    outage.note_response(A, time.monotonic())
    outage.note_response(B, time.monotonic())
    assert outage.is_host_failure(time.monotonic())
    assert B in net.tried


def test_hosts_of_the_list_are_tried_where_none_has_answered():
    net = Net(B)
    outage = Outage(net, 60)
    outage.begin([A, B])
    assert outage.is_host_failure(time.monotonic())
    assert set(net.tried) == {A, B}


def test_all_wait_while_none_answers_and_then_ask_again():
    net, told = Net(), []
    outage = Outage(net, 60, told.append)
    outage.note_response(A, time.monotonic())
    own = []
    threads = [
        threading.Thread(target=lambda: own.append(outage.is_host_failure(time.monotonic())))
        for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    time.sleep(0.6)
    assert own == []
    net.up.add(A)
    for thread in threads:
        thread.join(5)
    assert own == [False] * 5
    assert "waiting for the network" in told[0]
    assert "going on" in told[-1]
    assert len(told) == 2


def test_what_was_under_way_in_an_outage_is_asked_again():
    net = Net()
    outage = Outage(net, 60)
    outage.note_response(A, time.monotonic())
    began = time.monotonic()
    threading.Timer(0.3, net.up.add, [A]).start()
    assert not outage.is_host_failure(began)
    assert not outage.is_host_failure(began)  # another one, which fails only now
    assert outage.is_host_failure(time.monotonic())


def test_patience_ends_in_a_sentence_and_the_next_list_is_refused_at_once():
    outage = Outage(Net(), 0.3)
    outage.note_response(A, time.monotonic())
    with pytest.raises(WebbodyError, match="no host answered any more"):
        outage.is_host_failure(time.monotonic())
    outage.begin([A])
    started = time.monotonic()
    with pytest.raises(WebbodyError):
        outage.is_host_failure(time.monotonic())
    assert time.monotonic() - started < 1
    outage.begin([A])
    threading.Timer(0.05, outage.note_response, [A, time.monotonic() + 0.5]).start()
    assert outage.is_host_failure(time.monotonic())


def test_a_list_of_dead_hosts_is_named_as_such():
    outage = Outage(Net(), 0.3)
    outage.begin([A, B])
    with pytest.raises(WebbodyError, match="none of its 2 hosts answered"):
        outage.is_host_failure(time.monotonic())


def test_no_patience_means_that_failures_are_the_hosts_own():
    net = Net()
    assert Outage(net, 0).is_host_failure(time.monotonic())
    assert net.tried == []
