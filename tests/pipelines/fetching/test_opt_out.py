"""Who does not want to be downloaded is not."""

import time
from email.message import Message

import pytest
from guarded_opener import OPT_OUT, failure, get

from pipelines.fetching.opt_out import opted_out
from pipelines.fetching.response_headers import reservation


def test_opt_outs_are_honoured_without_reading_the_body(server):
    def forbidden(it):
        it.send(b"HTTP/1.1 200 OK\r\nX-Robots-Tag: noai\r\nContent-Length: 99\r\n\r\n")
        time.sleep(4)

    server.routes["/a"] = forbidden
    server.routes["/tdm"] = lambda it: it.reply(200, b"x", "tdm-reservation: 1")
    started = time.monotonic()
    assert failure(server.url("/a")).outcome == "download:opt-out"
    assert time.monotonic() - started < 3
    assert failure(server.url("/tdm")).outcome == "download:opt-out"
    assert server.hits["/tdm"] == 1
    assert get(server.url("/tdm"), opt_out=()) == b"x"


@pytest.mark.parametrize(
    ("lines", "forbidden"),
    [
        (["noai"], True),
        (["NoAI , nofollow"], True),
        (["nofollow, max-snippet: 5"], False),
        (["nofollow", "all", "noimageai"], True),
        (["googlebot: noindex"], False),
        (["googlebot: noindex, noai"], False),
        (["Webbody: noindex"], True),
        (["*: noindex"], True),
        (["googlebot: nofollow, webbody: noai"], True),
        (["unavailable_after: 25 Jun 2010 15:00:00 PST, noai"], True),
        (["unavailable_after: 25 Jun 2010 15:00:00 PST"], False),
        (["none"], True),
        (["", ",,:"], False),
        (["unavailable_after: Fri, 25 Jun 2010 15:00:00 GMT, noindex, noai"], True),
        (["unavailable_after: Fri, 25 Jun 2010 15:00:00 GMT"], False),
        (["unavailable_after: Friday, 25-Jun-10 15:00:00 UTC; noai"], True),
        (["googlebot: unavailable_after: Fri, 25 Jun 2010 15:00:00 GMT, noai"], False),
        (["noai noimageai"], True),
        (["noai; x"], True),
        (["x; noai"], True),
        (['"noai"'], True),
        (["'noindex', 'noai'"], True),
        (["noai: 1"], True),
        (["noai=true"], True),
        (["all: noai"], True),
        (["X-Robots-Tag: noai"], True),
        (["webbody/2.1: noai"], True),
        (["googlebot, webbody: noai"], True),
        (["googlebot webbody: noai"], True),
        (["max-image-preview: none"], False),
        (["max-image-preview:none, noai"], True),
        (["googlebot: noai; otherbot: noindex"], False),
        (["index, follow, all"], False),
        (["noaiding, snoindex"], False),
    ],
)
def test_x_robots_tag(lines, forbidden):
    headers = Message()
    for line in lines:
        headers.add_header("X-Robots-Tag", line)
    assert (opted_out(headers, OPT_OUT, "webbody") is not None) == forbidden
    named = "webbody/0.2 (+https://webbody.example; mailto:us@example.org)"
    assert (opted_out(headers, OPT_OUT, named) is not None) == forbidden
    assert opted_out(headers, (), "webbody") is None


@pytest.mark.parametrize("value", ["1", " 1 ", '"1"', "1;", "1, 1", "true"])
def test_a_reservation_in_any_form_counts(value):
    headers = Message()
    headers.add_header("TDM-Reservation", value)
    assert opted_out(headers, OPT_OUT, "webbody")


def test_no_reservation_is_none():
    headers = Message()
    headers.add_header("TDM-Reservation", "0")
    assert opted_out(headers, OPT_OUT, "webbody") is None


ODD_LINES = [
    b"My Param: x",
    b"no colon at all",
    b"HTTP/1.1 200 OK",
    b": no name",
    b"(comment): x",
    b"N\xe4me: x",
    b"From me to you",
    b"odd\r\n folded: with its line",
    b"Server: a\rb",
    b"Server : x",
    b"\x00",
]


@pytest.mark.parametrize("odd", ODD_LINES)
@pytest.mark.parametrize(
    "opt_out", [b"X-Robots-Tag: noai", b"tdm-reservation: 1", b"X-Robots-Tag : noai"]
)
def test_odd_header_lines_hide_no_opt_out(server, odd, opt_out):
    head = b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n" + odd + b"\r\n"
    length = b"Content-Length: 3\r\n\r\nabc"
    server.routes["/kept"] = lambda it: it.send(head + length)
    server.routes["/out"] = lambda it: it.send(head + opt_out + b"\r\n" + length)
    assert get(server.url("/kept")) == b"abc"
    assert failure(server.url("/out")).outcome == "download:opt-out"


@pytest.mark.parametrize("odd", ODD_LINES)
def test_odd_header_lines_hide_nothing_else(server, odd):
    head = b"HTTP/1.1 %s\r\n" + odd + b"\r\n"
    moved = head % b"302 Found" + b"Location: /there\r\nContent-Length: 0\r\n\r\n"
    chunked = head % b"200 OK" + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    server.routes["/moved"] = lambda it: it.send(moved)
    server.routes["/there"] = lambda it: it.send(b"HTTP/1.1 100 Continue\r\nA: b\r\n\r\n" + chunked)
    assert get(server.url("/moved")) == b"abc"
    cut = head % b"200 OK" + b"Content-Length: 9\r\n\r\nabc"
    server.routes["/cut"] = lambda it: it.send(cut)
    assert failure(server.url("/cut")).outcome == "download:truncated"


@pytest.mark.parametrize(
    ("lines", "reserving"),
    [
        ((), None),
        (("x-robots-tag: max-snippet: 5", "tdm-reservation: 0", "tdm-policy: https://a/b"), None),
        (("content-usage: train-ai=y, search=y",), None),
        (("x-robots-tag: otherbot: noai",), None),
        (("x-robots-tag: max-snippet: 5", "x-robots-tag: noml"), "x-robots-tag: noml"),
        (("x-robots-tag: webbody: noindex",), "x-robots-tag: webbody: noindex"),
        (("content-usage: search=y, train-ai=n",), "content-usage: search=y, train-ai=n"),
        (
            ("tdm-reservation: 1", "x-robots-tag: none"),
            "tdm-reservation: 1; x-robots-tag: none",
        ),
    ],
)
def test_a_reservation_is_told_whether_a_build_honours_it_or_not(lines, reserving):
    assert reservation(lines, "webbody/1 (+https://example.org)") == reserving
