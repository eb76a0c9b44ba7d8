"""Manners towards hosts: places, pauses, holds, and a break where a host does not answer."""

import threading
import time

import pytest

from pipelines.fetching.errors import FetchError
from pipelines.fetching.hosts import Hosts
from pipelines.fetching.transport import Clock


def refused(outcome="download:refused", **options) -> FetchError:
    error = FetchError(outcome, "nobody there", network=True, **options)
    error.host = "a.org"
    return error


def ask(hosts, host="a.org", seconds=5.0):
    with hosts.place(host, Clock(seconds, seconds)):
        pass


def test_no_more_than_the_places_at_one_host_and_all_hosts_at_once():
    hosts, most, now = Hosts(2, 0), [], []
    lock = threading.Lock()

    def work(host):
        with hosts.place(host, Clock(5, 5)):
            with lock:
                now.append(host)
                most.append((now.count("a"), now.count("b")))
            time.sleep(0.02)
            with lock:
                now.remove(host)

    threads = [threading.Thread(target=work, args=("ab"[n % 2],)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(a for a, _ in most) == max(b for _, b in most) == 2
    assert max(a + b for a, b in most) > 2


def test_requests_to_a_host_keep_their_distance():
    hosts = Hosts(8, 0)
    hosts.slow_down("a.org", 0.1)
    hosts.slow_down("a.org", 0.05)  # the longer wish holds
    started = time.monotonic()
    threads = [threading.Thread(target=ask, args=(hosts, "a.org", 0.15)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 0.3 <= time.monotonic() - started < 1  # and waiting is not the URL's fault
    started = time.monotonic()
    for _ in range(20):
        ask(hosts, "b.org")
    assert time.monotonic() - started < 0.1


def test_a_host_that_does_not_answer_is_left_alone():
    hosts = Hosts(8, 0)
    for _ in range(4):
        hosts.failed(refused())
    ask(hosts)
    hosts.failed(refused())
    with pytest.raises(FetchError, match="not asked again so soon") as caught:
        ask(hosts)
    assert caught.value.outcome == "download:refused"
    assert not caught.value.network
    ask(hosts, "b.org")
    hosts.reset_failures()
    ask(hosts)


@pytest.mark.parametrize("outcome", ["download:reset", "download:truncated", "download:http-503"])
def test_a_host_that_answers_something_is_asked_again(outcome):
    hosts = Hosts(8, 0)
    for _ in range(20):
        hosts.failed(refused(outcome))
    ask(hosts)


def test_an_answer_between_failures_starts_the_count_anew():
    hosts = Hosts(8, 0)
    for _ in range(5):
        for _ in range(4):
            hosts.failed(refused())
        hosts.note_response("a.org")
    ask(hosts)


def test_a_host_that_asks_for_time_gets_it():
    hosts = Hosts(8, 0)
    hosts.back_off("a.org", refused("download:http-429", retry_after=0.2))
    started = time.monotonic()
    ask(hosts)
    assert time.monotonic() - started >= 0.15
    hosts.back_off("a.org", refused("download:http-429", retry_after=60))
    with pytest.raises(FetchError, match="not asked again so soon"):
        ask(hosts, seconds=1)
