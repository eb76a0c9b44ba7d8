"""Connections that are used again, and those that must not be."""

import time
from urllib.parse import urlsplit

import pytest
from guarded_opener import opener
from hostile_server import serving
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.fetching.addresses import Resolver
from pipelines.fetching.body import read_body
from pipelines.fetching.budget import Budget
from pipelines.fetching.connections import Connections, port_of
from pipelines.fetching.errors import FetchError
from pipelines.fetching.transport import Clock

CHUNKED = "Transfer-Encoding: chunked"
#: A whole answer, which nobody asked for.
OTHER = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmore"


def staying(answer, seen=None):
    """A route that keeps its connection; `seen` gets the client's end of each."""

    def route(it):
        if seen is not None:
            seen.append(it.client_address)
        answer(it)
        it.wfile.flush()
        it.handle()

    return route


def outcome(asked, url):
    try:
        return asked.open(url).read()
    except FetchError as error:
        return error.outcome


def test_the_next_url_of_a_host_goes_over_the_same_connection(server):
    seen = []
    answers = {
        "/length": lambda it: it.reply(200, b"a"),
        "/chunks": lambda it: it.reply(200, b"1\r\nb\r\n0\r\n\r\n", CHUNKED, length=-1),
        "/empty": lambda it: it.reply(200),
        "/moved": lambda it: it.reply(302, b"gone", "Location: /length"),
        "/lost": lambda it: it.reply(404, b"not here"),
        "/none": lambda it: it.send(b"HTTP/1.1 204 No Content\r\n\r\n"),
    }
    asked = opener(retries=0)
    for path, answer in answers.items():
        server.routes[path] = staying(answer, seen)
    found = [outcome(asked, server.url(path)) for path in (*answers, "/length")]
    assert found == [b"a", b"b", b"", b"a", "download:http-404", b"", b"a"]
    assert len(seen) == 8
    assert len(set(seen)) == 1


def test_another_host_or_port_is_another_connection(server):
    seen = []
    server.routes["/a"] = staying(lambda it: it.reply(200, it.headers["host"].encode()), seen)
    asked = opener(allow_private=("127.0.0.1", "localhost"))
    with serving() as other:
        other.routes["/a"] = server.routes["/a"]
        hosts = [f"127.0.0.1:{server.port}", f"localhost:{server.port}", f"127.0.0.1:{other.port}"]
        for host in hosts * 2:
            assert asked.open(f"http://{host}/a").read() == host.encode()
    assert len(seen) == 6
    assert len(set(seen)) == 3


def test_an_open_connection_opens_no_way_to_a_host_that_may_not_be_asked(server):
    server.routes["/a"] = staying(lambda it: it.reply(200, b"a"))
    there = f"Location: http://localhost:{server.port}/a"
    server.routes["/moved"] = staying(lambda it: it.reply(302, b"", there))
    asked = opener()
    assert outcome(asked, server.url("/a")) == b"a"
    assert outcome(asked, server.url("/moved")) == "download:private-address"
    assert outcome(asked, server.url("/a", host="localhost")) == "download:private-address"
    assert server.hits["/a"] == 1


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (lambda it: it.reply(200, bytes(200_000)), "download:too-large"),
        (lambda it: it.reply(200, bytes(90_000), "X-Robots-Tag: noai"), "download:opt-out"),
        (lambda it: it.reply(404, bytes(90_000)), "download:http-404"),
        (lambda it: it.reply(200, b"x", "Connection: close"), b"x"),
        (lambda it: it.send(b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx"), b"x"),
        (lambda it: it.reply(200, b"zz\r\n", CHUNKED, length=-1), "download:truncated"),
        (lambda it: it.send(b"HTTP/1.1 103 Early Hints\r\n\r\n"), "download:http-103"),
    ],
)
def test_an_answer_that_was_not_read_to_its_end_ends_the_connection(server, answer, expected):
    seen = []
    server.routes["/a"] = staying(answer, seen)
    server.routes["/b"] = staying(lambda it: it.reply(200, b"b"), seen)
    asked = opener(retries=0)
    assert outcome(asked, server.url("/a")) == expected
    assert outcome(asked, server.url("/b")) == b"b"
    assert len(set(seen)) == 2


@pytest.mark.parametrize("pause", [0, 0.05])
def test_what_follows_an_answer_is_not_taken_for_the_next(server, pause):
    def two(it):
        if not pause:  # in one piece
            it.reply(200, b"first" + OTHER, length=5)
        else:
            it.reply(200, b"first")
            time.sleep(pause)
            it.send(OTHER)

    server.routes["/two"] = staying(two)
    server.routes["/b"] = staying(lambda it: it.reply(200, b"b"))
    asked = opener(retries=0)
    assert outcome(asked, server.url("/two")) == b"first"
    time.sleep(4 * pause)
    assert outcome(asked, server.url("/b")) == b"b"


@pytest.mark.parametrize("how", ["closed", "closed when asked", "reset when asked", "garbage"])
def test_a_kept_connection_that_the_server_gave_up_costs_no_retry(server, how):
    def last(it):
        it.reply(200, b"a")
        if how != "closed":
            it.rfile.readline()  # the next request
        if how == "reset when asked":
            it.reset()
        elif how == "garbage":
            it.send(b"0\r\n\r\n")

    server.routes["/a"] = last
    server.routes["/b"] = lambda it: it.reply(200, b"b")
    asked = opener(retries=0)
    for _ in range(3):
        assert outcome(asked, server.url("/a")) == b"a"
        assert outcome(asked, server.url("/b")) == b"b"


def test_a_new_connection_that_fails_is_not_asked_twice(server):
    server.routes["/a"] = staying(lambda it: it.reply(200, b"a"))
    server.routes["/dead"] = lambda it: it.reset()
    asked = opener(retries=0)
    assert outcome(asked, server.url("/dead")) == "download:reset"
    assert server.hits["/dead"] == 1
    assert outcome(asked, server.url("/a")) == b"a"
    assert outcome(asked, server.url("/dead")) == "download:reset"  # over the kept one, and anew
    assert server.hits["/dead"] == 3


def test_silence_on_a_kept_connection_is_a_timeout(server):
    server.routes["/a"] = staying(lambda it: it.reply(200, b"a"))
    server.routes["/b"] = staying(lambda it: time.sleep(0.6))
    asked = opener(retries=0, timeout=0.2)
    assert outcome(asked, server.url("/a")) == b"a"
    assert outcome(asked, server.url("/b")) == "download:timeout"
    server.routes["/drip"] = staying(lambda it: it.drip(b"HTTP/1.1 200 OK\r\nX: " + bytes(99), 0.1))
    asked = opener(retries=0, deadline=0.6)
    assert outcome(asked, server.url("/a")) == b"a"
    assert outcome(asked, server.url("/drip")) == "download:deadline"


def fetch(connections, url):
    parts, clock = urlsplit(url), Clock(5, 5)
    addresses = Resolver(["127.0.0.1"], 1).addresses("127.0.0.1", port_of(parts), 5)
    with connections.get(parts, addresses, {}, clock) as response:
        return read_body(response, 1000, Budget(10_000).reserve())


def test_waiting_connections_are_bounded_and_closed_at_the_end(server):
    ended = []

    def route(it):
        it.reply(200, b"a")
        it.rfile.read(1)  # nothing until the client closes
        ended.append(it.client_address)

    def closed(count):
        until = time.monotonic() + 5
        while len(ended) < count and time.monotonic() < until:
            time.sleep(0.01)
        return len(ended)

    server.routes["/a"] = route
    connections = Connections(idle=1)
    with serving() as second, serving() as third:
        for number, one in enumerate((server, second, third)):
            one.routes["/a"] = route
            assert fetch(connections, one.url("/a")) == b"a"
            assert closed(number) == number
        connections.close()
        assert closed(3) == 3
    assert fetch(connections, server.url("/a")) == b"a"  # as before, but none waits any more
    assert closed(4) == 4


KINDS = {
    "length": (lambda it, name: it.reply(200, name), True),
    "chunks": (
        lambda it, name: it.reply(
            200, b"%x\r\n%s\r\n0\r\nA: b\r\n\r\n" % (len(name), name), CHUNKED, length=-1
        ),
        True,
    ),
    "lost": (lambda it, name: it.reply(404, name), True),
    "moved": (lambda it, name: it.reply(301, name, f"Location: /length/{it.hit}"), True),
    "early": (lambda it, name: it.send(b"HTTP/1.1 103 Early\r\n\r\n") or it.reply(200, name), True),
    "more": (lambda it, name: it.reply(200, name + OTHER, length=len(name)), True),
    "closed": (lambda it, name: it.reply(200, name), False),
    "until the end": (lambda it, name: it.reply(200, name, length=-1), False),
    "cut": (lambda it, name: it.reply(200, name, length=100), False),
    "reset": (lambda it, name: it.reset(), False),
    "nothing": (lambda it, name: None, False),
}


@settings(max_examples=60, deadline=None)
@given(kinds=st.lists(st.sampled_from(sorted(KINDS)), min_size=2, max_size=8))
def test_every_url_gets_what_it_gets_over_a_connection_of_its_own(kinds):
    with serving() as server:
        for number, kind in enumerate(["length", *kinds]):
            answer, stays = KINDS[kind]
            path = f"/{kind.replace(' ', '-')}/{number}"

            def route(it, answer=answer):
                answer(it, it.target.encode())

            server.routes[path] = staying(route) if stays else route
        server.routes["/length/1"] = staying(lambda it: it.reply(200, b"there"))
        urls = [server.url(path) for path in list(server.routes)[1:]]
        alone = []
        for url in urls:
            server.hits.clear()
            alone.append(outcome(opener(retries=0), url))
        shared = opener(retries=0)
        together = []
        for url in urls:
            server.hits.clear()
            together.append(outcome(shared, url))
    assert together == alone
