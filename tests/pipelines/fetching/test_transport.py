"""The guarded opener against servers that are slow, endless, cut off, or somebody else."""

import gzip
import shutil
import socket
import ssl
import subprocess
import time
import zlib

import pytest
from guarded_opener import failure, get
from hostile_server import jpeg, serving

from pipelines.fetching.names import NameServers


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


@pytest.mark.parametrize(
    "encoding",
    ["aws-chunked", "UTF-8", "none", "binary", "8bit", "identity, identity", "gzip", "br", "", "x"],
)
def test_a_picture_is_taken_whatever_its_encoding_is_called(server, encoding):
    server.routes["/a"] = lambda it: it.reply(200, jpeg(), f"Content-Encoding: {encoding}")
    assert get(server.url("/a")) == jpeg()


def test_packed_pictures_are_unpacked(server):
    bare = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    bodies = {
        "gzip, identity": gzip.compress(jpeg()),
        "gzip, gzip": gzip.compress(gzip.compress(jpeg())),
        "deflate": zlib.compress(jpeg()),
        "Deflate": bare.compress(jpeg()) + bare.flush(),
        "x-gzip, aws-chunked": gzip.compress(jpeg()),
    }
    for number, (encoding, body) in enumerate(bodies.items()):
        server.routes[f"/{number}"] = lambda it, e=encoding, b=body: it.reply(
            200, b, f"Content-Encoding: {e}"
        )
        assert get(server.url(f"/{number}")) == jpeg()


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
        monkeypatch.setattr(NameServers, "look_up", lambda *_: (["127.0.0.1"], 60.0))
        assert failure(good, allow_private=("127.0.0.1",)).outcome == "download:private-address"
        monkeypatch.delenv("SSL_CERT_FILE")
        assert failure(good, allow_private=allowed).outcome == "download:tls"
    assert names == ["good.test", "other.test", "good.test"]
