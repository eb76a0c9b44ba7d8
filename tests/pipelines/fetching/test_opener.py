"""What the guarded opener asks for, how often, and how many at a time."""

import email.utils
import threading
import time
import urllib.request
from datetime import UTC, datetime

import pytest
from guarded_opener import failure, get, opener
from hostile_server import jpeg


def test_a_body_arrives_as_it_is(server):
    server.routes["/a"] = lambda it: it.reply(200, jpeg())
    assert get(server.url("/a")) == jpeg()


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 451, 501])
def test_what_cannot_pass_is_asked_once(server, status):
    server.routes["/a"] = lambda it: it.reply(status, b"no")
    assert failure(server.url("/a")).outcome == f"download:http-{status}"
    assert server.hits["/a"] == 1


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_can_pass_is_asked_again(server, status):
    server.routes["/a"] = lambda it: it.reply(*((status,) if it.hit == 1 else (200, b"fine")))
    assert get(server.url("/a")) == b"fine"
    server.routes["/b"] = lambda it: it.reply(status)
    assert failure(server.url("/b")).outcome == f"download:http-{status}"
    assert server.hits["/b"] == 2


@pytest.mark.parametrize("form", ["1", "date"])
def test_retry_after_is_waited_for(server, form):
    when = email.utils.formatdate(time.time() + 2, usegmt=True) if form == "date" else form
    server.routes["/a"] = lambda it: (
        it.reply(503, b"", f"Retry-After: {when}") if it.hit == 1 else it.reply(200, b"fine")
    )
    started = time.monotonic()
    assert get(server.url("/a"), deadline=20) == b"fine"
    assert 0.8 < time.monotonic() - started < 5


def test_a_long_retry_after_is_not_waited_for(server):
    server.routes["/a"] = lambda it: it.reply(429, b"", "Retry-After: 3600")
    started = time.monotonic()
    assert failure(server.url("/a")).outcome == "download:http-429"
    assert time.monotonic() - started < 3
    assert server.hits["/a"] == 1


def test_redirects_are_followed_and_counted(server):
    for number in range(3):
        server.routes[f"/{number}"] = lambda it, n=number: it.reply(301, b"", f"Location: /{n + 1}")
    server.routes["/3"] = lambda it: it.reply(200, b"here")
    asked = opener()
    assert asked.open(urllib.request.Request(server.url("/0"))).read() == b"here"
    assert asked.moved == {server.url("/0"): server.url("/3")}
    server.routes["/3"] = lambda it: it.reply(302, b"", "Location: /0")
    assert failure(server.url("/0")).outcome == "download:redirects"
    server.hits.clear()
    server.routes["/self"] = lambda it: it.reply(307, b"", "Location: /self")
    assert failure(server.url("/self")).outcome == "download:redirects"
    assert server.hits["/self"] == 4


def test_what_servers_say_of_their_answers_is_kept(server):
    """Of redirects the rights, of the last answer its version; of a failed attempt nothing."""
    server.routes["/0"] = lambda it: it.reply(
        302, b"", "Location: /1", 'ETag: "of the redirect"', "tdm-reservation: 0",
        "X-Robots-Tag: max-snippet: 5", "tdm-policy: https://example.org/p.json",
    )  # fmt: skip
    server.routes["/1"] = lambda it: it.reply(
        503 if it.hit == 1 else 200, b"fine", 'ETag: W/"b1"', "content-usage: train-ai=n",
        "Last-Modified: Wed, 21 Oct 2015 07:28:00 GMT", "X-ROBOTS-TAG: max-snippet: 5",
        "X-Robots-Tag: otherbot: noai", *(["tdm-policy: first"] if it.hit == 1 else []),
    )  # fmt: skip
    asked = opener(opt_out=())
    before = datetime.now(UTC).date()
    asked.open(urllib.request.Request(server.url("/0")))
    (said,) = asked.headers.values()
    assert before <= said.fetched <= datetime.now(UTC).date()
    assert said.etag == 'W/"b1"'
    assert said.last_modified == "Wed, 21 Oct 2015 07:28:00 GMT"
    assert said.rights == (
        "x-robots-tag: max-snippet: 5",
        "tdm-reservation: 0",
        "tdm-policy: https://example.org/p.json",
        "x-robots-tag: otherbot: noai",
        "content-usage: train-ai=n",
    )


def test_what_a_server_says_fills_no_table(server):
    odd = ("Last-Modified: \x1b[31m\xe9", "tdm-policy: " + "y" * 9_000)
    many = [f"X-Robots-Tag: bot{n}: noai" for n in range(60)]
    server.routes["/a"] = lambda it: it.reply(200, b"fine", *odd, *many)
    server.routes["/b"] = lambda it: it.reply(200, b"fine", f'ETag: "{"x" * 900}"')
    asked = opener()
    for path in ("/a", "/b"):
        asked.open(urllib.request.Request(server.url(path)))
    for said in asked.headers.values():
        assert said.etag is None and said.last_modified is None
        assert sum(map(len, said.rights)) <= 10_000


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        (b"/f\xf6to.jpg", "/f%F6to.jpg"),  # Latin-1
        (b"/\xf4\xee\xf2\xee.jpg?n=\xe9", "/%F4%EE%F2%EE.jpg?n=%E9"),  # cp1251
        ("/été à.jpg".encode(), "/%C3%A9t%C3%A9%20%C3%A0.jpg"),
        (b"/f%F6to.jpg", "/f%F6to.jpg"),
    ],
)
def test_redirects_lead_to_the_bytes_that_the_server_wrote(server, path, asked):
    head = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: %s\r\n\r\n"
    whole = f"http://127.0.0.1:{server.port}".encode() + path
    server.routes["/relative"] = lambda it: it.send(head % path)
    server.routes["/absolute"] = lambda it: it.send(head % whole)
    targets = []

    def here(it):
        targets.append(it.target)
        it.reply(200, b"here")

    server.routes[asked.partition("?")[0]] = here
    assert get(server.url("/relative")) == get(server.url("/absolute")) == b"here"
    assert targets == [asked, asked]


def test_one_host_is_asked_by_few_at_a_time_and_waiting_is_free(server):
    running, most, lock = [0], [0], threading.Lock()

    def slow(it):
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.3)
        with lock:
            running[0] -= 1
        it.reply(200, b"fine")

    server.routes["/a"] = slow
    asked = opener(per_domain=2, deadline=1.2)
    found = []

    def fetch():
        found.append(asked.open(urllib.request.Request(server.url("/a"))).read())

    threads = [threading.Thread(target=fetch) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [b"fine"] * 10
    assert most[0] == 2


def test_installed_only_for_a_while(server):
    server.routes["/a"] = lambda it: it.reply(200, b"x")
    before = urllib.request._opener
    with opener().installed(), urllib.request.urlopen(server.url("/a")) as answer:
        assert answer.read() == b"x"
    assert urllib.request._opener is before
