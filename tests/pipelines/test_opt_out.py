"""Who does not want to be downloaded is not."""

import time
from email.message import Message

import pytest
from guarded_opener import DEFAULTS, failure, get

from pipelines.fetching.opt_out import opted_out


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
    ],
)
def test_x_robots_tag(lines, forbidden):
    headers = Message()
    for line in lines:
        headers.add_header("X-Robots-Tag", line)
    assert (opted_out(headers, DEFAULTS["opt_out"], "webbody") is not None) == forbidden
    assert opted_out(headers, (), "webbody") is None
