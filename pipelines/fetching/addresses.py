"""Which URLs and which addresses may be fetched.

A URL list is written by strangers, and a build runs inside somebody's network. So a host name is
resolved once, every address it has must be a public one, and the connection goes to an address
that was checked: a name server that answers differently the second time gains nothing.
"""

import ipaddress
import re
import socket
import threading
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import SplitResult, quote, urlsplit

#: Family and socket address, as socket.connect takes it.
Address = tuple[int, Any]

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")


class FetchError(Exception):
    """A URL that brought no image: `outcome` for the ledger, `detail` for the reader.

    `passing` says that a later try may succeed; `retry_after` is the server's wish in seconds.
    The text is `<outcome> <detail>`, so that it survives a library that keeps only the text.
    """

    def __init__(
        self, outcome: str, detail: str, passing: bool = False, retry_after: float | None = None
    ) -> None:
        self.outcome = outcome
        self.detail = detail[:500]
        self.passing = passing
        self.retry_after = retry_after
        super().__init__(f"{outcome} {self.detail}".strip())


def normalise(url: str) -> str:
    """The URL as it goes over the wire: blanks and non-ASCII encoded, no fragment, no user.

    Raises FetchError `download:scheme` for anything but http and https, and `download:error`
    for what is no URL.
    """
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise FetchError("download:error", f"invalid URL: {error}") from error
    scheme = parts.scheme.lower()
    if scheme not in ("http", "https"):
        raise FetchError("download:scheme", f"{scheme or 'no scheme'}: only http and https")
    if not host:
        raise FetchError("download:error", "invalid URL: no host")
    if not host.isascii():
        try:
            host = host.encode("idna").decode()
        except UnicodeError as error:
            raise FetchError("download:dns", f"invalid host name: {error}") from error
    if ":" in host:
        host = f"[{host}]"
    netloc = host if port is None else f"{host}:{port}"
    path = quote(parts.path or "/", safe="/%:=&~+!$,;'@()*")
    query = quote(parts.query, safe="/%:=&~+!$,;'@()*?[]")
    return SplitResult(scheme, netloc, path, query, "").geturl()


def readable(location: str) -> str:
    """A Location header, read as Latin-1, with what is no ASCII percent-encoded byte by byte.

    Servers write paths in any encoding, and know them by their bytes alone; names of hosts are
    taken for UTF-8.
    """
    raw = location.encode("latin-1", "replace")
    found = re.match(rb"(?:[A-Za-z][A-Za-z0-9+.-]*:)?//[^/?#]*", raw)
    host = found.group() if found else b""
    rest = (chr(byte) if byte < 0x80 else f"%{byte:02X}" for byte in raw[len(host) :])
    return host.decode("utf-8", "replace") + "".join(rest)


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet, also when wrapped into IPv6."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        if ip in _NAT64:
            return is_public(str(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)))
        inner = ip.ipv4_mapped or ip.sixtofour
        if inner is not None:
            return is_public(str(inner))
        if ip not in _GLOBAL_UNICAST:
            return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified)


class Resolver:
    """Looks host names up once and hands out checked addresses only; for many threads.

    `allow_private` names the hosts that may lie anywhere. A lookup has no time limit of its own in
    the C library, so it runs beside the caller, who waits no longer than it wants.
    """

    def __init__(self, allow_private: Collection[str], threads: int) -> None:
        self._allowed = {host.strip("[]").lower() for host in allow_private}
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="lookup")
        self._known: dict[tuple[str, int], list[Address] | FetchError] = {}
        self._lock = threading.Lock()

    def addresses(self, host: str, port: int, patience: float) -> list[Address]:
        """The addresses of a host, in the resolver's order, all checked.

        Raises FetchError `download:dns` or `download:private-address`, TimeoutError after
        `patience` seconds.
        """
        key = (host.lower(), port)
        found = self._known.get(key)
        if found is None:
            found = self._pool.submit(self._look_up, *key).result(patience)
            if not (isinstance(found, FetchError) and found.passing):
                with self._lock:
                    found = self._known.setdefault(key, found)
        if isinstance(found, FetchError):
            raise FetchError(found.outcome, found.detail, found.passing)
        return found

    def _look_up(self, host: str, port: int) -> list[Address] | FetchError:
        try:
            answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            passing = error.errno == socket.EAI_AGAIN
            return FetchError("download:dns", error.strerror or str(error), passing)
        except (UnicodeError, OSError) as error:
            return FetchError("download:dns", str(error))
        if host not in self._allowed:
            for answer in answers:
                if not is_public(str(answer[4][0])):
                    return FetchError("download:private-address", f"{host} is {answer[4][0]}")
        return [(answer[0], answer[4]) for answer in answers]

    def close(self) -> None:
        """Stop; lookups that still hang end by themselves."""
        self._pool.shutdown(wait=False, cancel_futures=True)
