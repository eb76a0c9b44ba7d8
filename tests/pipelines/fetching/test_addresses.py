"""Which addresses are talked to: those of URLs, of names, and of redirects."""

import ipaddress
import socket
import time

import pytest
from guarded_opener import failure, get
from hypothesis import given
from hypothesis import strategies as st

from pipelines.fetching.addresses import Resolver, is_public, normalise
from pipelines.fetching.errors import FetchError
from pipelines.fetching.names import NameServers


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
    answers = ["93.184.215.14", "10.0.0.1"], 60.0
    monkeypatch.setattr(NameServers, "look_up", lambda *_: answers)
    assert failure("http://rebinding.example/").outcome == "download:private-address"


def test_the_checked_address_is_the_one_connected_to(server, monkeypatch):
    """A name that is public when checked and loopback when asked again gains nothing."""
    lookups = []

    def answer(self, host, port):
        lookups.append(host)
        return ["93.184.215.14" if len(lookups) == 1 else "127.0.0.1"], 60.0

    connected = []

    class Refusing(socket.socket):
        def connect(self, address):
            connected.append(address)
            raise ConnectionRefusedError("no network in this test")

    monkeypatch.setattr(NameServers, "look_up", answer)
    monkeypatch.setattr(socket, "socket", Refusing)
    found = failure(f"http://rebinding.example:{server.port}/a", retries=3)
    assert found.outcome == "download:refused"
    assert connected == [("93.184.215.14", server.port)]
    assert lookups == ["rebinding.example"]


@pytest.mark.parametrize("url", ["http://nobody.invalid/a.jpg", "http://" + "a" * 70 + ".org/"])
def test_names_that_do_not_resolve(url):
    assert failure(url).outcome == "download:dns"


def test_a_lookup_that_hangs_is_left_alone(monkeypatch):
    monkeypatch.setattr(NameServers, "look_up", lambda *_: time.sleep(2) or ([], 60.0))
    started = time.monotonic()
    assert failure("http://slow.example/", timeout=0.1, retries=0).outcome == "download:timeout"
    assert time.monotonic() - started < 1


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
