"""DNS lookups with timeouts and distinct errors.

By dnspython instead of the C library, which has no timeout, does not distinguish failures from
silence, and does not scale to many threads.
"""

import ipaddress
import re
import socket
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from dns import exception, name, resolver

from pipelines.fetching.errors import FetchError
from webbody.errors import WebbodyError

#: Seconds for one name, all servers and tries; and how long an answer is used at least and most.
PATIENCE = 5.0
SHORTEST, LONGEST = 60.0, 3600.0
#: Seconds for which failures of name servers are cached.
FAILED = 30.0
#: The last label of what browsers take for an address in any form, such as 0x7f.1.
_NUMBER = re.compile(r"\d+|0x[0-9a-f]*", re.IGNORECASE)


class NameServers:
    """Looks names up at `servers` (addresses, `address:port` too) or those of the machine.

    Names of one label, numbers and what the machine's hosts file names are left to the system.
    """

    def __init__(self, servers: Sequence[str] = ()) -> None:
        self._hosts = _hosts_file()
        self._resolver: resolver.Resolver | None = None
        try:
            self._resolver = resolver.Resolver(configure=not servers)
        except resolver.NoResolverConfiguration:  # no name server is set: the system may know one
            return
        if servers:
            self._resolver.nameservers = [_server(text) for text in servers]
        self._resolver.search = []
        self._resolver.lifetime = PATIENCE

    def look_up(self, host: str, port: int) -> tuple[list[str], float]:
        """The addresses of a host, and for how many seconds they hold.

        Raises FetchError `download:dns` (no such name, or one without an address),
        `download:dns-failed` (servers could not tell) or `download:dns-timeout`.
        """
        system = self._resolver is None or host in self._hosts or "." not in host.rstrip(".")
        if system or ":" in host or _NUMBER.fullmatch(host.rstrip(".").rsplit(".", 1)[-1]):
            return by_system(host, port), LONGEST
        try:
            answer = self._ask(host)
        except (resolver.NXDOMAIN, name.NameTooLong, name.LabelTooLong, name.EmptyLabel) as error:
            raise FetchError("download:dns", "no such name") from error
        except resolver.NoAnswer as error:
            raise FetchError("download:dns", "the name has no address") from error
        except (exception.Timeout, resolver.NoNameservers, OSError) as error:
            silent = isinstance(error, exception.Timeout)
            raise FetchError(
                "download:dns-timeout" if silent else "download:dns-failed",
                "name servers are silent" if silent else "name servers could not tell",
                passing=True,
                network=True,
            ) from error
        except exception.DNSException as error:
            raise FetchError("download:dns", str(error) or type(error).__name__) from error
        lasts = min(max(answer.expiration - answer.response.time, SHORTEST), LONGEST)
        return [record.to_text() for record in answer], lasts

    def _ask(self, host: str) -> resolver.Answer:
        """IPv4, and IPv6 where there is no other address and this machine has a way to it."""
        assert self._resolver is not None
        absolute = name.from_text(host)
        try:
            return self._resolver.resolve(absolute, "A")
        except resolver.NoAnswer:
            if not _has_ipv6():
                raise
        return self._resolver.resolve(absolute, "AAAA")


def by_system(host: str, port: int) -> list[str]:
    """The addresses of a host as the system tells; FetchError as `NameServers.look_up`."""
    try:
        answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        failed = error.errno in (socket.EAI_AGAIN, socket.EAI_FAIL)
        outcome = "download:dns-failed" if failed else "download:dns"
        text = error.strerror or str(error)
        raise FetchError(outcome, text, passing=failed, network=failed) from error
    except (UnicodeError, OSError) as error:
        raise FetchError("download:dns", str(error)) from error
    return [str(answer[4][0]) for answer in answers]


def _server(text: str) -> str:
    """A name server for dnspython; WebbodyError for what is no address."""
    address, colon, port = text.rpartition(":")
    if not colon or "." not in address:
        address, port = text, ""
    try:
        ipaddress.ip_address(address)
    except ValueError as error:
        raise WebbodyError(
            f"download.dns_servers: {text} is no address of a name server; write one such as "
            "192.0.2.53 or 192.0.2.53:5353."
        ) from error
    if not port:
        return address
    from dns import nameserver

    return nameserver.Do53Nameserver(address, int(port))  # type: ignore[return-value]


def _hosts_file() -> frozenset[str]:
    try:
        lines = Path("/etc/hosts").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return frozenset()
    return frozenset(word.lower() for line in lines for word in line.partition("#")[0].split()[1:])


@lru_cache(1)
def _has_ipv6() -> bool:
    """Whether this machine has a route to public IPv6 addresses; nothing is sent."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.connect(("2001:4860:4860::8888", 53))
            return True
    except OSError:
        return False
