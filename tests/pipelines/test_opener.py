"""The guarded opener against servers that do everything wrong."""

import email.utils
import gzip
import ipaddress
import shutil
import socket
import ssl
import subprocess
import threading
import time
import urllib.request
from email.message import Message

import pytest
from hostile_server import jpeg, serving
from hypothesis import given
from hypothesis import strategies as st

from pipelines.fetching.addresses import FetchError, Resolver, is_public, normalise
from pipelines.fetching.opener import Opener
from pipelines.fetching.opt_out import opted_out

DEFAULTS = {
    "timeout": 10,
    "deadline": 10,
    "retries": 1,
    "max_bytes": 100_000,
    "max_redirects": 3,
    "opt_out": ("noai", "noimageai", "noindex", "noimageindex"),
    "user_agent": "webbody",
    "allow_private": ("127.0.0.1",),
    "per_domain": 8,
    "threads": 8,
    "backoff": 0.02,
}


@pytest.fixture(scope="module")
def server():
    with serving() as running:
        yield running


@pytest.fixture(autouse=True)
def forget(server):
    server.routes.clear()
    server.hits.clear()


def get(url, **options):
    opener = Opener(**{**DEFAULTS, **options})
    return opener.open(urllib.request.Request(url, headers={"User-Agent": "webbody"})).read()


def failure(url, **options) -> FetchError:
    with pytest.raises(FetchError) as caught:
        get(url, **options)
    assert str(caught.value).startswith(caught.value.outcome)
    return caught.value


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
    opener = Opener(**DEFAULTS)
    assert opener.open(urllib.request.Request(server.url("/0"))).read() == b"here"
    assert opener.moved == {server.url("/0"): server.url("/3")}
    server.routes["/3"] = lambda it: it.reply(302, b"", "Location: /0")
    assert failure(server.url("/0")).outcome == "download:redirects"
    server.hits.clear()
    server.routes["/self"] = lambda it: it.reply(307, b"", "Location: /self")
    assert failure(server.url("/self")).outcome == "download:redirects"
    assert server.hits["/self"] == 4


@pytest.mark.parametrize(
    ("location", "outcome"),
    [
        ("file:///etc/passwd", "download:scheme"),
        ("ftp://example.org/a.jpg", "download:scheme"),
        ("data:image/png;base64,AAAA", "download:scheme"),
        ("http://127.0.0.2/a", "download:private-address"),
        ("http://[::1]/a", "download:private-address"),
        ("http://169.254.169.254/latest/meta-data", "download:private-address"),
        ("http://2130706433/", "download:private-address"),
        ("//0.0.0.0/", "download:private-address"),
        ("http://[/", "download:error"),
    ],
)
def test_each_redirect_is_checked_anew(server, location, outcome):
    server.routes["/a"] = lambda it: it.reply(302, b"", f"Location: {location}")
    assert failure(server.url("/a")).outcome == outcome


def test_loopback_is_refused_unless_named(server):
    server.routes["/a"] = lambda it: it.reply(200, b"secret")
    assert failure(server.url("/a"), allow_private=()).outcome == "download:private-address"
    assert failure(server.url("/a", "localhost")).outcome == "download:private-address"
    assert server.hits["/a"] == 0
    assert get(server.url("/a", "localhost"), allow_private=("LocalHost",)) == b"secret"


def test_one_private_address_among_public_ones_is_enough(monkeypatch):
    answers = [(2, 1, 6, "", (ip, 80)) for ip in ("93.184.215.14", "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answers)
    assert failure("http://rebinding.example/").outcome == "download:private-address"


def test_the_checked_address_is_the_one_connected_to(server, monkeypatch):
    """A name that is public when checked and loopback when asked again gains nothing."""
    lookups = []

    def answer(host, port, **_):
        lookups.append(host)
        ip = "93.184.215.14" if len(lookups) == 1 else "127.0.0.1"
        return [(2, 1, 6, "", (ip, port))]

    connected = []

    class Refusing(socket.socket):
        def connect(self, address):
            connected.append(address)
            raise ConnectionRefusedError("no network in this test")

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    monkeypatch.setattr(socket, "socket", Refusing)
    found = failure(f"http://rebinding.example:{server.port}/a", retries=3)
    assert found.outcome == "download:refused"
    assert connected == [("93.184.215.14", server.port)]
    assert lookups == ["rebinding.example"]


def test_a_slow_drip_ends_at_the_deadline(server):
    def body(it):
        it.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        it.drip(bytes(1000), 0.1)

    server.routes["/body"] = body
    server.routes["/head"] = lambda it: it.drip(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1000, 0.1)
    for path in ("/body", "/head"):
        started = time.monotonic()
        assert failure(server.url(path), deadline=0.7).outcome == "download:deadline"
        assert time.monotonic() - started < 3
        assert server.hits[path] == 1


def test_silence_is_a_timeout_and_tried_again(server):
    server.routes["/a"] = lambda it: time.sleep(1.0) if it.hit == 1 else it.reply(200, b"fine")
    assert get(server.url("/a"), timeout=0.4, deadline=10) == b"fine"
    server.routes["/b"] = lambda it: time.sleep(0.5)
    assert failure(server.url("/b"), timeout=0.1).outcome == "download:timeout"
    assert server.hits["/b"] == 2


def test_a_body_may_not_exceed_the_cap(server):
    def endless(it):
        it.send(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(1000):
            it.send(bytes(50_000))

    server.routes["/declared"] = lambda it: it.reply(200, b"x", length=100_001)
    server.routes["/endless"] = endless
    server.routes["/fits"] = lambda it: it.reply(200, bytes(100_000))
    server.routes["/bomb"] = lambda it: it.reply(
        200, gzip.compress(bytes(10_000_000)), "Content-Encoding: gzip"
    )
    for path in ("/declared", "/endless", "/bomb"):
        assert failure(server.url(path)).outcome == "download:too-large"
        assert server.hits[path] == 1
    assert len(get(server.url("/fits"))) == 100_000


def test_compression_that_nobody_asked_for(server):
    asked = []

    def packed(it):
        asked.append(it.headers["accept-encoding"])
        it.reply(200, gzip.compress(b"image"), "Content-Encoding: gzip")

    server.routes["/gzip"] = packed
    server.routes["/half"] = lambda it: it.reply(
        200, gzip.compress(jpeg())[:-20], "Content-Encoding: gzip"
    )
    server.routes["/br"] = lambda it: it.reply(200, b"image", "Content-Encoding: br")
    assert get(server.url("/gzip")) == b"image"
    assert asked == ["identity"]
    assert failure(server.url("/half")).outcome == "download:truncated"
    assert failure(server.url("/br")).outcome == "download:error"


def test_a_body_short_of_its_length_is_truncated(server):
    server.routes["/length"] = lambda it: it.reply(200, bytes(500), length=1000)
    server.routes["/chunks"] = lambda it: it.reply(
        200, b"64\r\n" + bytes(50), "Transfer-Encoding: chunked", length=-1
    )
    server.routes["/whole"] = lambda it: it.reply(
        200, b"3\r\nabc\r\n0\r\n\r\n", "Transfer-Encoding: chunked", length=-1
    )
    for path in ("/length", "/chunks"):
        assert failure(server.url(path)).outcome == "download:truncated"
        assert server.hits[path] == 2
    assert get(server.url("/whole")) == b"abc"


def test_resets_garbage_and_closed_ports(server):
    server.routes["/reset"] = lambda it: it.reset() if it.hit == 1 else it.reply(200, b"fine")
    server.routes["/dead"] = lambda it: it.reset()
    server.routes["/empty"] = lambda it: None
    server.routes["/garbage"] = lambda it: it.send(b"SSH-2.0-OpenSSH_9.6\r\n")
    server.routes["/part"] = lambda it: it.reply(206, b"part")
    assert get(server.url("/reset")) == b"fine"
    assert failure(server.url("/dead")).outcome == "download:reset"
    assert failure(server.url("/empty")).outcome == "download:reset"
    assert failure(server.url("/garbage")).outcome == "download:error"
    assert failure(server.url("/part")).outcome == "download:http-206"
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    assert failure(f"http://127.0.0.1:{port}/").outcome == "download:refused"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make a certificate")
def test_certificates_are_checked_against_the_name_not_the_address(monkeypatch, tmp_path):
    request = "req -x509 -newkey rsa:2048 -nodes -keyout key -out cert -days 2 -subj /CN=x"
    names = "-addext subjectAltName=DNS:good.test"
    command = ["openssl", *request.split(" "), *names.split(" ")]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert", tmp_path / "key")
    names = []
    context.sni_callback = lambda sock, name, _: names.append(name)
    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *a, **k: real("127.0.0.1", *a, **k))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert"))
    with serving(context) as server:
        server.routes["/a"] = lambda it: it.reply(200, b"secret")
        good, other = (f"https://{host}:{server.port}/a" for host in ("good.test", "other.test"))
        allowed = ("good.test", "other.test")
        assert get(good, allow_private=allowed) == b"secret"
        assert failure(other, allow_private=allowed).outcome == "download:tls"
        assert failure(good, allow_private=("127.0.0.1",)).outcome == "download:private-address"
        monkeypatch.delenv("SSL_CERT_FILE")
        assert failure(good, allow_private=allowed).outcome == "download:tls"
    assert names == ["good.test", "other.test", "good.test"]


@pytest.mark.parametrize("url", ["http://nobody.invalid/a.jpg", "http://" + "a" * 70 + ".org/"])
def test_names_that_do_not_resolve(url):
    assert failure(url).outcome == "download:dns"


def test_a_lookup_that_hangs_is_left_alone(monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(2) or [])
    started = time.monotonic()
    assert failure("http://slow.example/", timeout=0.1, retries=0).outcome == "download:timeout"
    assert time.monotonic() - started < 1


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
    opener = Opener(**{**DEFAULTS, "per_domain": 2, "deadline": 1.2})
    found = []

    def fetch():
        found.append(opener.open(urllib.request.Request(server.url("/a"))).read())

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
    with Opener(**DEFAULTS).installed(), urllib.request.urlopen(server.url("/a")) as answer:
        assert answer.read() == b"x"
    assert urllib.request._opener is before


@pytest.mark.parametrize(
    ("url", "wire"),
    [
        (" http://a.org/b c.jpg ", "http://a.org/b%20c.jpg"),
        ("http://a.org/é%20/ü?q=ß#top", "http://a.org/%C3%A9%20/%C3%BC?q=%C3%9F"),
        ("HTTP://User:pw@A.org:8080", "http://a.org:8080/"),
        ("http://bücher.example/", "http://xn--bcher-kva.example/"),
        ("http://[2606:4700::1]:81/x", "http://[2606:4700::1]:81/x"),
        ("http://a.org/a\r\nX: y", "http://a.org/aX:%20y"),
        ("http://a.org/" + "x" * 10_000, "http://a.org/" + "x" * 10_000),
    ],
)
def test_urls_are_encoded_for_the_wire(url, wire):
    assert normalise(url) == wire
    assert normalise(wire) == wire


@pytest.mark.parametrize(
    "url", ["", "a.jpg", "file:///a", "javascript:x", "http://", "http://a:x/"]
)
def test_urls_that_are_none(url):
    with pytest.raises(FetchError):
        normalise(url)


@given(st.text(max_size=40))
def test_normalising_gives_ascii_or_a_fetch_error(text):
    for url in (text, "http://" + text, "http://a.org/" + text):
        try:
            wire = normalise(url)
        except FetchError:
            continue
        assert wire.isascii() or not wire.split("/")[2].isascii()
        assert " " not in wire.partition("://")[2].partition("/")[2]
        assert normalise(wire) == wire


PRIVATE = """127.0.0.1 127.255.0.9 10.1.2.3 172.16.0.1 172.31.255.255 192.168.1.1 169.254.169.254
    0.0.0.0 0.1.2.3 100.64.0.1 100.127.255.254 192.0.2.1 198.18.0.1 198.51.100.7 203.0.113.9
    224.0.0.1 239.1.1.1 240.0.0.1 255.255.255.255 ::1 :: fe80::1 fc00::1 fd12::1 ff02::1 fec0::1
    ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::127.0.0.1 64:ff9b::7f00:1 64:ff9b::a00:1 2002:7f00:1::
    2002:c0a8:101:: 2001:db8::1 100::1 2001::1"""
PUBLIC = """8.8.8.8 1.1.1.1 93.184.215.14 100.63.255.255 100.128.0.1 172.32.0.1 2606:4700::1
    2a00:1450:4001::1 ::ffff:8.8.8.8 64:ff9b::808:808 2002:808:808::1"""


def test_known_addresses():
    assert [address for address in PRIVATE.split() if is_public(address)] == []
    assert [address for address in PUBLIC.split() if not is_public(address)] == []


@given(st.ip_addresses(v=4))
def test_wrapping_an_address_into_ipv6_does_not_change_the_verdict(ip):
    number = int(ip)
    forms = [f"::ffff:{ip}", str(ipaddress.IPv6Address((0x64FF9B << 96) | number))]
    forms.append(str(ipaddress.IPv6Address((0x2002 << 112) | (number << 80))))
    assert [is_public(form) for form in forms] == [is_public(str(ip))] * 3
    assert not (is_public(str(ip)) and not ip.is_global)


@given(st.ip_addresses())
def test_whatever_is_not_global_is_not_public(ip):
    if ip.is_private or ip.is_loopback or ip.is_link_local or ip.is_multicast:
        wrapped = ip.version == 6 and (ip.ipv4_mapped or ip.sixtofour)
        assert wrapped or not is_public(str(ip))


@given(st.ip_addresses())
def test_the_resolver_hands_out_public_addresses_only(ip):
    resolver = Resolver((), 1)
    try:
        found = resolver.addresses(str(ip), 80, 5)
    except FetchError as error:
        assert error.outcome in ("download:private-address", "download:dns")
        assert error.outcome == "download:dns" or not is_public(str(ip))
    else:
        assert all(is_public(address[0]) for _, address in found)
    finally:
        resolver.close()
