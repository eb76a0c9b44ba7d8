"""One HTTP exchange with a deadline over connection, headers and body.

It stands on http.client and not on urllib3, which (version 2.8, tried) takes an odd header line for
the end of the head and so loses an opt-out behind it, limits silence but not the whole time (a head
or a body that drips goes on), and rewrites the target (`[0]` to `%5B0%5D`). What fixes that sits
between the socket and http.client, below urllib3, and would be no shorter with it on top.
"""

import errno
import http.client
import io
import re
import socket
import ssl
import time
from typing import Any

from pipelines.fetching.addresses import Address
from pipelines.fetching.errors import FetchError

_BLOCK = 1 << 16
#: A header line (RFC 9112, section 5): a token, and a value behind a colon.
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*:(.*)", re.DOTALL)


class Clock:
    """How long one URL may still take: `timeout` seconds of silence, `deadline` seconds in all."""

    def __init__(self, timeout: float, deadline: float) -> None:
        self._timeout, self._deadline = timeout, deadline
        self._end = time.monotonic() + deadline

    def left(self) -> float:
        """Seconds until the deadline; zero or less when it has passed."""
        return self._end - time.monotonic()

    def patience(self) -> float:
        """How long the next wait may last; FetchError `download:deadline` when time is up."""
        left = self.left()
        if left <= 0:
            raise self._late()
        return min(self._timeout, left)

    def _late(self, network: bool = False) -> FetchError:
        text = f"not finished after {self._deadline:g} s"
        return FetchError("download:deadline", text, network=network)

    def pause(self, seconds: float) -> None:
        """Do not count time that was spent waiting for our own limits."""
        self._end += seconds

    def silence(self) -> FetchError:
        """The error for a wait that came to its end without a byte."""
        if self.left() <= 0:
            return self._late(network=True)
        text = f"nothing for {self._timeout:g} s"
        return FetchError("download:timeout", text, passing=True, network=True)


class _Timed(io.RawIOBase):
    """A socket's bytes; each wait is as long as the clock allows."""

    def __init__(self, sock: socket.socket, clock: Clock) -> None:
        self._socket, self._clock = sock, clock

        self.resting = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        """None, which means that there is nothing yet, while `resting`."""
        if self.resting:
            return None
        self._socket.settimeout(self._clock.patience())
        return self._socket.recv_into(buffer)


class _Lenient(io.BufferedReader):
    """An answer in whose head odd lines are left out, as browsers do.

    http.client takes the first line that is no header for the end of all, and an opt-out behind it
    would not be seen. A name with blanks before its colon counts; a folded line goes with its own.
    """

    raw: _Timed
    _in_head, _status, _kept, _more = True, True, True, False
    #: Whether more had come than the answer, when it was closed.
    excess = False

    def close(self) -> None:
        if not self.closed:
            self.raw.resting = True
            self.excess = bool(self.peek())
        super().close()

    def readline(self, size: int | None = -1) -> bytes:
        while self._in_head:
            line = super().readline(size)
            if self._status:
                self._status = False
                self._more = line[8:12] == b" 100"  # the head of the answer itself follows
                return line
            if not line.strip(b"\r\n"):
                self._in_head, self._status = self._more, True
                return line
            found = _HEADER.match(line)
            self._kept = found is not None or (self._kept and line[:1] in b" \t")
            if self._kept:
                end = b"\r\n" if line.endswith(b"\n") else b""
                whole = line if found is None else found[1] + b":" + found[2]
                return whole.strip(b"\r\n").replace(b"\r", b" ") + end
        return super().readline(size)


class _TimedSocket:
    """What http.client needs of a socket. The owner closes the real one."""

    def __init__(self, sock: socket.socket, clock: Clock) -> None:
        self._socket, self._clock = sock, clock

    def sendall(self, data: bytes) -> None:
        self._socket.settimeout(self._clock.patience())
        self._socket.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        self.reader = _Lenient(_Timed(self._socket, self._clock), _BLOCK)
        return self.reader

    def close(self) -> None:
        pass


def connect(
    addresses: list[Address], host: str, tls: ssl.SSLContext | None, clock: Clock
) -> socket.socket:
    """A connection to the first address that answers; they were all checked, so any will do.

    `tls` is the context for https, None for http; certificates are checked against `host`.
    """
    for family, address in addresses:
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.settimeout(clock.patience())
            sock.connect(address)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if tls is None:
                return sock
            sock.settimeout(clock.patience())
            return tls.wrap_socket(sock, server_hostname=host)
        except BaseException as error:
            sock.close()
            if not isinstance(error, OSError) or address is addresses[-1][1]:
                raise
    raise FetchError("download:dns", "the name has no address")


class Exchange:
    """GET one URL over a connection, which stays its owner's: `response`, its body still unread."""

    def __init__(
        self, sock: socket.socket, netloc: str, target: str, headers: dict[str, str], clock: Clock
    ) -> None:
        connection = http.client.HTTPConnection(netloc)
        connection.sock = timed = _TimedSocket(sock, clock)
        connection.request("GET", target, headers=headers)
        self.response = connection.getresponse()
        self._reader = timed.reader

    def ended(self) -> bool:
        """Whether the answer was read to its end, or its rest lies here, and nothing follows it.

        Only then may the connection carry another request. Reads nothing from it.
        """
        response = self.response
        if response.will_close or response.status < 200:  # the answer itself follows a 1xx
            return False
        if not response.isclosed() and response.length is not None:
            self._reader.raw.resting = True
            if len(self._reader.peek()) >= response.length:
                response.read()
        return response.isclosed() and not response.length and not self._reader.excess


def explain(error: Exception, clock: Clock) -> FetchError:
    """The FetchError for whatever an exchange raised."""
    if isinstance(error, FetchError):
        return error
    text = str(error) or type(error).__name__
    if isinstance(error, TimeoutError):
        return clock.silence()
    if isinstance(error, ConnectionRefusedError):
        return FetchError("download:refused", text, network=True)
    if isinstance(error, (ConnectionError, ssl.SSLEOFError)):  # also http.client.RemoteDisconnected
        return FetchError("download:reset", text, passing=True, network=True)
    if isinstance(error, http.client.IncompleteRead):
        text = "the chunked body ends early"
        return FetchError("download:truncated", text, passing=True, network=True)
    if isinstance(error, ssl.SSLError):
        return FetchError("download:tls", text)
    if isinstance(error, OSError) and error.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH):
        return FetchError("download:unreachable", text, network=True)
    return FetchError("download:error", f"{type(error).__name__}: {text}")
