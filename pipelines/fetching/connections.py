"""Keep-alive connections."""

import http.client
import select
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from urllib.parse import SplitResult

from pipelines.fetching.addresses import Address
from pipelines.fetching.errors import FetchError
from pipelines.fetching.transport import Clock, Exchange, connect

#: Scheme, host and port of a connection.
_Key = tuple[str, str, int]
#: Seconds before an idle connection is closed; servers and NATs drop it after five or more.
_IDLE = 4.0
#: How an idle connection fails that its server has closed, or that has unread bytes.
_STALE = (ConnectionError, http.client.BadStatusLine, ssl.SSLError)


class Connections:
    """Open connections, at most `idle` of them waiting for their next request; for many threads.

    A connection waits only when its answer was read to the end, is used again only for the host
    whose checked address it goes to, and only while nothing came in between. A server that sends
    what nobody asked for at the very moment of the next request spoils its own answers alone.
    """

    def __init__(self, idle: int) -> None:
        self._most = idle
        self._idle: list[tuple[_Key, socket.socket, float]] = []  # the longest unused first
        self._lock = threading.Lock()

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """The TLS context; created on demand, as loading the root certificates is slow."""
        return ssl.create_default_context()

    @contextmanager
    def get(
        self, url: SplitResult, addresses: list[Address], headers: dict[str, str], clock: Clock
    ) -> Iterator[http.client.HTTPResponse]:
        """The answer to a GET, its body still unread. `addresses` are the host's, checked.

        If an idle connection turns out to be closed, a new one is opened.
        """
        host = url.hostname or ""
        key = (url.scheme, host, port_of(url))
        target = url.path + (f"?{url.query}" if url.query else "")

        def fresh() -> socket.socket:
            return connect(addresses, host, self._tls if url.scheme == "https" else None, clock)

        kept = self._take(key)
        sock = kept or fresh()
        ended = False
        try:
            try:
                exchange = Exchange(sock, url.netloc, target, headers, clock)
            except _STALE:
                if kept is None:
                    raise
                kept.close()
                sock = fresh()
                exchange = Exchange(sock, url.netloc, target, headers, clock)
            try:
                yield exchange.response
            except FetchError:  # an error of the response; the connection may be intact
                ended = exchange.ended()
                raise
            ended = exchange.ended()
        finally:
            if ended:
                self._put(key, sock)
            else:
                sock.close()

    def _take(self, key: _Key) -> socket.socket | None:
        """The most recently used connection of `key`; unusable ones are closed."""
        while True:
            with self._lock:
                found = next((one for one in reversed(self._idle) if one[0] == key), None)
                if found is None:
                    return None
                self._idle.remove(found)
            _, sock, since = found
            if time.monotonic() - since < _IDLE and _silent(sock):
                return sock
            sock.close()

    def _put(self, key: _Key, sock: socket.socket) -> None:
        with self._lock:
            self._idle.append((key, sock, time.monotonic()))
            over = [self._idle.pop(0) for _ in range(len(self._idle) - self._most)]
        for _, old, _ in over:
            old.close()

    def close(self) -> None:
        """Close the idle connections, and keep no more."""
        with self._lock:
            self._most = 0
            over, self._idle = self._idle, []
        for _, sock, _ in over:
            sock.close()


def port_of(url: SplitResult) -> int:
    """The port of an http or https URL."""
    return url.port or (443 if url.scheme == "https" else 80)


def _silent(sock: socket.socket) -> bool:
    """Whether neither bytes nor the end of the connection came since the last response."""
    if isinstance(sock, ssl.SSLSocket) and sock.pending():
        return False
    waiting = select.poll()
    waiting.register(sock, select.POLLIN)
    return not waiting.poll(0)
