"""Which URLs and which addresses may be fetched.

URL lists are untrusted, and a build runs inside a private network. So a host name is resolved once,
all of its addresses must be public, and the connection goes to a checked address, which defeats DNS
rebinding.
"""

import ipaddress
import re
import socket
import time
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from pipelines.fetching.errors import FetchError
from pipelines.fetching.names import FAILED, LONGEST, NameServers, by_system

#: Family and socket address, as socket.connect takes it.
Address = tuple[int, Any]

#: Host names in the cache.
_MOST = 200_000
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")


def normalise(url: str) -> str:
    """The URL as it is sent: blanks and non-ASCII encoded, no fragment, no user.

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

    Servers use paths in any encoding and identify them by bytes; host names are decoded as UTF-8.
    """
    raw = location.encode("latin-1", "replace")
    found = re.match(rb"(?:[A-Za-z][A-Za-z0-9+.-]*:)?//[^/?#]*", raw)
    host = found.group() if found else b""
    rest = (chr(byte) if byte < 0x80 else f"%{byte:02X}" for byte in raw[len(host) :])
    return host.decode("utf-8", "replace") + "".join(rest)


def redirected(url: str, location: str) -> str:
    """The normalised target of a Location header; raises as `normalise`."""
    try:
        return normalise(urljoin(url, readable(location)))
    except ValueError as error:
        raise FetchError("download:error", f"invalid redirect: {error}") from error


def is_public(address: str) -> bool:
    """Whether an IP address is public, also when embedded in IPv6."""
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
    """Resolves host names to checked addresses; thread-safe.

    `allow_private` names the hosts that may lie anywhere; for them the system is asked, for all
    others `servers`, or those of the machine where none are given. Answers are used again, refusals
    too, failures for a short while.
    """

    def __init__(
        self, allow_private: Collection[str], threads: int, servers: Sequence[str] = ()
    ) -> None:
        self._allowed = {host.strip("[]").lower() for host in allow_private}
        self._servers = NameServers(servers)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="lookup")
        self._known: dict[tuple[str, int], tuple[list[Address] | FetchError, float]] = {}

    def addresses(self, host: str, port: int, patience: float) -> list[Address]:
        """The addresses of a host, all checked.

        Raises FetchError `download:private-address` and those of names, TimeoutError after
        `patience` seconds.
        """
        key = (host.lower(), port)
        found, until = self._known.get(key, (None, 0.0))
        if found is None or time.monotonic() >= until:
            found, lasts = self._pool.submit(self._look_up, *key).result(patience)
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[key] = found, time.monotonic() + lasts
        if isinstance(found, FetchError):
            raise FetchError(
                found.outcome, found.detail, found.passing, network=found.network
            ) from found
        return found

    def _look_up(self, host: str, port: int) -> tuple[list[Address] | FetchError, float]:
        try:
            if host in self._allowed:
                found, lasts = by_system(host, port), LONGEST
            else:
                found, lasts = self._servers.look_up(host, port)
                for address in found:
                    if not is_public(address):
                        detail = f"{host} is {address}"
                        return FetchError("download:private-address", detail), LONGEST
        except FetchError as error:
            return error, FAILED if error.passing else LONGEST
        return [_address(one, port) for one in found], lasts

    def close(self) -> None:
        """Stop; pending lookups end by their timeouts."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _address(ip: str, port: int) -> Address:
    if ":" in ip:
        return socket.AF_INET6, (ip, port, 0, 0)
    return socket.AF_INET, (ip, port)
