"""Answers of the synthetic web's server: a method for each behaviour of `kinds`."""

from __future__ import annotations

import mimetypes
import socket
import struct
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from webbody.demo.website import kinds

if TYPE_CHECKING:
    from webbody.demo.website.server import Server

_SLOW_SECONDS = 1.0
_DRIP = 0.2  # seconds between two bytes of an endless answer
_REDIRECTED = "moved/"  # before the path of a URL to which another one redirects
_LATIN = "moved-%F6/"  # the same, sent as a byte of Latin-1
#: What is found among headers in the wild, and is none.
_ODD_LINES = b"My Param: x\r\nHTTP/1.1 200 OK\r\nno colon\r\nServer : old\r\n"
_HTML = b"<!doctype html><title>Not here</title><p>This page is no image.</p>\n" * 20


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    server: Server
    server_version = "SyntheticWeb"

    def do_GET(self) -> None:
        raw = self.path.encode("latin-1", "replace").decode("utf-8", "replace").lstrip("/")
        self.redirected = raw.startswith((_REDIRECTED, _LATIN))
        self.asked = unquote(raw.removeprefix(_LATIN))
        file, behaviour = self.server.find(self.asked.removeprefix(_REDIRECTED))
        if not file.is_relative_to(self.server.files) or not file.is_file():
            self.send_error(404)
            return
        self.file = file
        getattr(self, "answer_" + behaviour.replace("-", "_"))()

    def log_message(self, *_: object) -> None:
        """Say nothing: a build prints its own story."""

    def send(self, data: bytes, status: int = 200, kind: str = "", **headers: str) -> None:
        """A whole answer; in header names `_` stands for `-`."""
        self.start(status, kind, Content_Length=str(len(data)), **headers)
        self.wfile.write(data)

    def start(self, status: int = 200, kind: str = "", **headers: str) -> None:
        self.send_response(status)
        self.send_header(
            "Content-Type", kind or mimetypes.guess_type(self.file.name)[0] or "image/jpeg"
        )
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def redirect(self, target: str) -> None:
        self.start(302, "text/plain", Location=target, Content_Length="0")

    def answer_plain(self) -> None:
        self.send(self.file.read_bytes())

    def answer_missing(self) -> None:
        self.send_error(404)

    def answer_gone(self) -> None:
        self.send_error(410)

    def answer_forbidden(self) -> None:
        self.send_error(403)

    def answer_broken(self) -> None:
        self.send_error(500)

    def answer_closed_port(self) -> None:
        self.send_error(404)  # its URL has another port

    def answer_opt_out_robots(self) -> None:
        self.send(self.file.read_bytes(), X_Robots_Tag="noai, noimageai")

    def answer_opt_out_agent(self) -> None:
        self.send(self.file.read_bytes(), X_Robots_Tag="webbody: noimageai")

    def answer_opt_out_other(self) -> None:
        self.send(self.file.read_bytes(), X_Robots_Tag="otherbot: noai")

    def answer_opt_out_tdm(self) -> None:
        self.send(self.file.read_bytes(), tdm_reservation="1")

    def answer_error_once(self) -> None:
        if self.server.fails_now(self.asked):
            self.send_error(500)
        else:
            self.answer_plain()

    def answer_busy_once(self) -> None:
        if self.server.fails_now(self.asked):
            self.send(b"busy\n", 503, "text/plain", Retry_After="1")
        else:
            self.answer_plain()

    def answer_redirect(self) -> None:
        if self.redirected:
            self.answer_plain()
        else:
            self.redirect(_quoted("/" + _REDIRECTED + self.asked))

    def answer_redirect_loop(self) -> None:
        self.redirect(_quoted("/" + self.asked))

    def answer_redirect_private(self) -> None:
        self.redirect("http://10.255.255.1/admin.jpg")

    def answer_redirect_file(self) -> None:
        self.redirect("file:///etc/hostname")

    def answer_redirect_latin(self) -> None:
        if self.redirected:
            self.answer_plain()
        else:
            self.redirect("/" + unquote(_LATIN, "latin-1") + _quoted(self.asked))

    def answer_header_odd(self) -> None:
        self.odd_head()

    def answer_header_odd_opt_out(self) -> None:
        self.odd_head(b"X-Robots-Tag: noai\r\n")

    def odd_head(self, more: bytes = b"") -> None:
        """A whole answer whose head has lines that are no headers."""
        data = self.file.read_bytes()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n" + _ODD_LINES + more
        self.wfile.write(head + f"Content-Length: {len(data)}\r\n\r\n".encode() + data)

    def answer_opt_out_date(self) -> None:
        line = "unavailable_after: Fri, 25 Jun 2010 15:00:00 GMT, noindex, noai"
        self.send(self.file.read_bytes(), X_Robots_Tag=line)

    def answer_opt_out_words(self) -> None:
        self.send(self.file.read_bytes(), X_Robots_Tag="noai noimageai")

    def answer_coding_odd(self) -> None:
        self.send(self.file.read_bytes(), Content_Encoding="aws-chunked")

    def answer_slow(self) -> None:
        data = self.file.read_bytes()
        self.start(Content_Length=str(len(data)))
        pieces = 5
        size = len(data) // pieces + 1
        for start in range(0, len(data), size):
            self.wfile.write(data[start : start + size])
            self.wfile.flush()
            self.server.stopping.wait(_SLOW_SECONDS / pieces)

    def answer_endless(self) -> None:
        """A byte now and then: never idle for long, never done."""
        data = self.file.read_bytes()
        self.start(Content_Length=str(len(data)))
        for byte in data:
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
            if self.server.stopping.wait(_DRIP):
                return

    def answer_cut_body(self) -> None:
        data = self.file.read_bytes()
        self.start(Content_Length=str(len(data)))
        self.wfile.write(data[: len(data) // 2])

    def answer_reset(self) -> None:
        data = self.file.read_bytes()
        self.start(Content_Length=str(len(data)))
        self.wfile.write(data[: len(data) // 2])
        self.wfile.flush()
        # Closing without lingering sends a reset instead of an orderly end.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def answer_oversized(self) -> None:
        data = self.file.read_bytes()
        self.send(data + bytes(kinds.OVERSIZED))

    def answer_oversized_undeclared(self) -> None:
        self.start()
        self.wfile.write(self.file.read_bytes())
        for _ in range(kinds.OVERSIZED // 500_000):
            self.wfile.write(bytes(500_000))

    def answer_html(self) -> None:
        self.send(_HTML, kind="text/html")

    def answer_html_as_jpeg(self) -> None:
        self.send(_HTML, kind="image/jpeg")

    def answer_empty(self) -> None:
        self.send(b"")

    def answer_wrong_type(self) -> None:
        self.send(self.file.read_bytes(), kind="text/plain")


def _quoted(path: str) -> str:
    return quote(path, safe="/?=&")
