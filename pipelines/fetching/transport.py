"""One HTTP exchange that cannot hang or swell: a clock over every byte, a cap on the body."""

import errno
import http.client
import io
import re
import socket
import ssl
import time
import zlib
from typing import Any

from pipelines.fetching.addresses import Address, FetchError
from webbody.images import sniff

_BLOCK = 1 << 16
#: A header line (RFC 9112, section 5): a token, and a value behind a colon.
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*:(.*)", re.DOTALL)
_PACKED = ("gzip", "x-gzip", "deflate")
#: What nobody asked for, and is not unpacked here.
_UNKNOWN = ("br", "zstd", "compress", "x-compress", "dcb", "dcz")


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
            raise FetchError("download:deadline", f"not finished after {self._deadline:g} s")
        return min(self._timeout, left)

    def pause(self, seconds: float) -> None:
        """Do not count time that was spent waiting for our own limits."""
        self._end += seconds

    def silence(self) -> FetchError:
        """The error for a wait that came to its end without a byte."""
        self.patience()
        return FetchError("download:timeout", f"nothing for {self._timeout:g} s", passing=True)


class _Timed(io.RawIOBase):
    """A socket's bytes; each wait is as long as the clock allows."""

    def __init__(self, sock: socket.socket, clock: Clock) -> None:
        self._socket, self._clock = sock, clock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._socket.settimeout(self._clock.patience())
        return self._socket.recv_into(buffer)


class _Lenient(io.BufferedReader):
    """An answer in whose head odd lines are left out, as browsers do.

    http.client takes the first line that is no header for the end of all, and an opt-out behind it
    would not be seen. A name with blanks before its colon counts; a folded line goes with its own.
    """

    _in_head, _status, _kept, _more = True, True, True, False

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
        return _Lenient(_Timed(self._socket, self._clock), _BLOCK)

    def close(self) -> None:
        pass


class Exchange:
    """GET one URL from one of `addresses`; use it in a `with`, which closes the connection.

    `tls` is the context for https, None for http; certificates are checked against `host`.
    """

    def __init__(
        self, addresses: list[Address], host: str, tls: ssl.SSLContext | None, clock: Clock
    ) -> None:
        self._host, self._tls, self._clock = host, tls, clock
        self._socket = self._connect(addresses)

    def _connect(self, addresses: list[Address]) -> socket.socket:
        """The first address that answers. They were all checked, so any will do."""
        for family, address in addresses:
            sock = socket.socket(family, socket.SOCK_STREAM)
            try:
                sock.settimeout(self._clock.patience())
                sock.connect(address)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if self._tls is None:
                    return sock
                sock.settimeout(self._clock.patience())
                return self._tls.wrap_socket(sock, server_hostname=self._host)
            except BaseException as error:
                sock.close()
                if not isinstance(error, OSError) or address is addresses[-1][1]:
                    raise
        raise FetchError("download:dns", "the name has no address")

    def get(self, netloc: str, target: str, headers: dict[str, str]) -> http.client.HTTPResponse:
        """Send the request; status and headers of the answer, its body still unread."""
        connection = http.client.HTTPConnection(netloc)
        connection.sock = _TimedSocket(self._socket, self._clock)
        connection.request("GET", target, headers={**headers, "Connection": "close"})
        return connection.getresponse()

    def __enter__(self) -> "Exchange":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()


def read_body(response: http.client.HTTPResponse, max_bytes: int) -> bytes:
    """The whole body, decoded; FetchError `download:too-large` or `download:truncated`.

    We ask for no encoding; a server that compresses all the same must keep the cap unpacked too.
    What is a picture already is taken as it is, whatever the header says of it.
    """
    declared = response.length
    too_large = FetchError("download:too-large", f"more than {max_bytes} bytes")
    if declared is not None and declared > max_bytes:
        raise too_large
    # One more byte than allowed shows that there is more.
    body = response.read(max_bytes + 1 if declared is None else declared)
    if len(body) > max_bytes:
        raise too_large
    if declared is not None and len(body) < declared:
        raise FetchError("download:truncated", f"{len(body)} of {declared} bytes", passing=True)
    encodings = ",".join(response.headers.get_all("Content-Encoding", [])).lower().split(",")
    for encoding in map(str.strip, reversed(encodings)):
        if sniff(body):
            return body
        if encoding in _UNKNOWN:
            raise FetchError("download:error", f"Content-Encoding {encoding} was not asked for")
        if encoding in _PACKED:
            body = _unpacked(body, encoding, max_bytes)
            if len(body) > max_bytes:
                raise too_large
    return body


def _unpacked(body: bytes, encoding: str, max_bytes: int) -> bytes:
    """At most a byte more than allowed; raises FetchError for what is broken."""
    # deflate means zlib's form, but some servers send it bare.
    bare = encoding == "deflate" and body[:1] and body[0] & 15 != 8
    unpack = zlib.decompressobj(-zlib.MAX_WBITS if bare else zlib.MAX_WBITS | 32)
    try:
        unpacked = unpack.decompress(body, max_bytes + 1)
    except zlib.error as error:
        raise FetchError("download:error", f"Content-Encoding {encoding}: {error}") from error
    if len(unpacked) <= max_bytes and not unpack.eof:
        raise FetchError("download:truncated", f"Content-Encoding {encoding} ends early", True)
    return unpacked


def explain(error: Exception, clock: Clock) -> FetchError:
    """The FetchError for whatever an exchange raised."""
    if isinstance(error, FetchError):
        return error
    text = str(error) or type(error).__name__
    if isinstance(error, TimeoutError):
        try:
            return clock.silence()
        except FetchError as late:
            return late
    if isinstance(error, ConnectionRefusedError):
        return FetchError("download:refused", text)
    if isinstance(error, (ConnectionError, ssl.SSLEOFError)):  # also http.client.RemoteDisconnected
        return FetchError("download:reset", text, passing=True)
    if isinstance(error, http.client.IncompleteRead):
        return FetchError("download:truncated", "the chunked body ends early", passing=True)
    if isinstance(error, ssl.SSLError):
        return FetchError("download:tls", text)
    if isinstance(error, OSError) and error.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH):
        return FetchError("download:refused", text)
    return FetchError("download:error", f"{type(error).__name__}: {text}")
