"""A worker's access to the network: connections, host limits and rules, kept between shards."""

import ssl
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPResponse
from typing import TypeVar
from urllib.parse import urlsplit

from pipelines.fetching.addresses import Resolver, normalise, redirected
from pipelines.fetching.body import read_text
from pipelines.fetching.budget import Budget
from pipelines.fetching.connections import Connections, port_of
from pipelines.fetching.errors import FetchError
from pipelines.fetching.hosts import Hosts
from pipelines.fetching.outage import Host, Outage
from pipelines.fetching.robots import MOST
from pipelines.fetching.site_rules import SiteRules
from pipelines.fetching.transport import Clock, connect, explain
from webbody import __version__
from webbody.config import DownloadSettings

Read = TypeVar("Read")

REDIRECTS = (301, 302, 303, 307, 308)
#: Redirects that are followed to a file that rules over a host (RFC 9309, section 2.3.1.2).
_FILE_REDIRECTS = 5
#: Answers whose Retry-After is about the host (RFC 9110, section 15.6.4; RFC 6585, section 4).
_OVERLOADED = ("download:http-429", "download:http-503")
#: Seconds for one trial whether a host answers.
_TRIAL = 5.0


class WebAccess:
    """Single requests under guard: checked addresses, places at hosts, hosts' own rules.

    For many threads. threads: of its callers.
    """

    def __init__(self, settings: DownloadSettings, threads: int) -> None:
        self._settings, self._threads = settings, threads
        self._resolver = Resolver(settings.allow_private, threads, settings.dns_servers)
        self._connections = Connections(idle=threads)
        self._headers = headers(settings)
        self.hosts = Hosts(settings.per_domain, settings.interval)
        self.sites = SiteRules(settings, self._file)
        self.outage = Outage(self._reaches, settings.outage)
        self.budget = Budget(settings.memory)

    def close(self) -> None:
        """Close the idle connections."""
        self._resolver.close()
        self._connections.close()

    def ask(self, url: str, clock: Clock, read: Callable[[HTTPResponse], Read]) -> Read:
        """One GET, and what `read` makes of its answer; raises FetchError for all that fails."""
        parts = urlsplit(url)
        host = parts.netloc
        with self.hosts.place(host, clock):
            try:
                # Also for a connection that is there: a host that may not be asked, is not.
                addresses = self._resolver.addresses(
                    parts.hostname or "", port_of(parts), clock.patience()
                )
                requested_at = time.monotonic()
                with self._connections.get(parts, addresses, self._headers, clock) as response:
                    self.hosts.note_response(host)
                    self.outage.note_response((parts.hostname or "", port_of(parts)), requested_at)
                    return read(response)
            except Exception as error:
                failure = explain(error, clock)
                failure.host = host
                if failure.retry_after and failure.outcome in _OVERLOADED:
                    self.hosts.back_off(host, failure)
                raise failure from error

    def check_site(self, url: str, clock: Clock) -> None:
        """Raises FetchError for a URL that the files of its host forbid; slows down as they ask."""
        if delay := self.sites.check(url, clock):
            self.hosts.slow_down(urlsplit(url).netloc, delay)

    def refused(self, urls: Iterable[str]) -> list[FetchError | None]:
        """What the files of their hosts forbid of URLs that are not fetched; None where nothing.

        A file that cannot be had now says nothing: it was not asked for when the URL was fetched.
        """

        def refusal(url: str) -> FetchError | None:
            try:
                clock = Clock(self._settings.timeout, self._settings.deadline)
                self.sites.check(normalise(url), clock)
            except FetchError as error:
                return error if error.outcome == "download:robots" else None
            return None

        with ThreadPoolExecutor(self._threads, thread_name_prefix="sites") as pool:
            return list(pool.map(refusal, urls))

    def _file(self, url: str, clock: Clock) -> tuple[int, str]:
        """Status and text of a file that rules over a host."""

        def read(response: HTTPResponse) -> tuple[int, str]:
            location = response.headers.get("Location")
            if response.status in REDIRECTS and location:
                return response.status, location
            return response.status, read_text(response, MOST)

        for _ in range(_FILE_REDIRECTS + 1):
            status, text = self.ask(url, clock, read)
            if status not in REDIRECTS or not text:
                return status, text
            url = redirected(url, text)
        return 404, ""  # as if there were none

    def _reaches(self, host: Host) -> bool:
        """Whether a host takes a connection; nothing is asked."""
        clock = Clock(_TRIAL, _TRIAL)
        try:
            addresses = self._resolver.addresses(*host, clock.patience())
            connect(addresses, host[0], None, clock).close()
        except (OSError, ssl.SSLError, FetchError):
            return False
        return True


def headers(settings: DownloadSettings) -> dict[str, str]:
    """The headers of every request: who asks, and whom an owner can write to."""
    agent = settings.user_agent
    if "/" not in agent:
        agent = f"{agent}/{__version__}"
    if settings.contact:
        agent = f"{agent} (+{settings.contact})"
    out = {"User-Agent": agent, "Accept": settings.accept, "Referer": settings.referer}
    return {name: value for name, value in out.items() if value}
