"""A small web server on loopback that answers exactly as a test wants, byte by byte."""

import io
import socketserver
import ssl
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from socket import SO_LINGER, SOL_SOCKET

import numpy as np
from PIL import Image


def jpeg(seed: int = 0, width: int = 64, height: int = 48) -> bytes:
    """A JPEG of smooth noise."""
    noise = np.random.default_rng(seed).integers(0, 255, (4, 5, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).resize((width, height)).save(buffer, "JPEG")
    return buffer.getvalue()


class Handler(socketserver.StreamRequestHandler):
    """Hands the request to the route of its path; routes write to the socket as they like."""

    server: "Server"

    def handle(self) -> None:
        self.target = self.rfile.readline().split(b" ")[1].decode()
        self.headers = {}
        while line := self.rfile.readline().strip():
            name, _, value = line.decode().partition(":")
            self.headers[name.lower()] = value.strip()
        path = self.target.partition("?")[0]
        with self.server.lock:
            self.server.hits[path] += 1
            self.hit = self.server.hits[path]
        with suppress(OSError):  # the client went away, which is what some tests want
            self.server.routes.get(path, lambda it: it.reply(404, b"not here"))(self)

    def send(self, data: bytes) -> None:
        self.wfile.write(data)
        self.wfile.flush()

    def reply(self, status: int, body: bytes = b"", *headers: str, length: int | None = None):
        """A whole answer; `length` is what Content-Length says (-1: no such header)."""
        lines = [f"HTTP/1.1 {status} whatever", *headers]
        if length != -1:
            lines.append(f"Content-Length: {len(body) if length is None else length}")
        self.send(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body)

    def reset(self) -> None:
        """Close with a TCP reset."""
        self.connection.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def drip(self, data: bytes, pause: float) -> None:
        """One byte at a time until the client gives up."""
        for byte in data:
            self.send(bytes([byte]))
            time.sleep(pause)

    def finish(self) -> None:
        with suppress(OSError, ValueError):
            super().finish()


class Server(socketserver.ThreadingTCPServer):
    """Routes by path; `hits` counts requests."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.routes: dict[str, Callable[[Handler], None]] = {}
        self.hits: Counter[str] = Counter()
        self.lock = threading.Lock()

    @property
    def port(self) -> int:
        return self.server_address[1]

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    def handle_error(self, request, client_address) -> None:
        pass


@contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """A running server, over TLS where a context is given."""
    with Server() as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
