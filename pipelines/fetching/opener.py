"""The guarded opener: everything a download reads from the network goes through it.

Installed as urllib's opener while img2dataset downloads, so that its own code fetches with our
limits: public addresses only, each redirect checked anew, caps on bytes and on time, a limit per
host, retries of what can pass, opt-outs.
"""

import random
import threading
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from urllib.parse import urljoin, urlsplit

from pipelines.fetching.addresses import Resolver, normalise, readable
from pipelines.fetching.errors import FetchError
from pipelines.fetching.answered import Answered, answered
from pipelines.fetching.body import read_body
from pipelines.fetching.connections import Connections, port_of
from pipelines.fetching.opt_out import opted_out
from pipelines.fetching.transport import Clock, explain
from webbody.config import DownloadSettings

_REDIRECTS = (301, 302, 303, 307, 308)


class Answer:
    """A body that was read whole, in the form in which urllib's callers expect it."""

    def __init__(self, body: bytes, headers: Message) -> None:
        self._body, self.headers = body, headers

    def read(self) -> bytes:
        return self._body

    def __enter__(self) -> "Answer":
        return self

    def __exit__(self, *_: object) -> None:
        pass


class Opener:
    """Fetches http and https URLs under guard; for many threads.

    Waiting for a free place at a busy host does not count for the deadline. Proxies of the
    environment are not used: through them no address could be checked. threads: of its callers.
    backoff: seconds before the first retry.
    """

    def __init__(self, settings: DownloadSettings, threads: int, backoff: float = 0.5) -> None:
        self._settings, self._backoff = settings, backoff
        self._opt_out = {directive.strip().lower() for directive in settings.opt_out}
        self._resolver = Resolver(settings.allow_private, threads)
        self._connections = Connections(idle=threads)
        self._slots: defaultdict[str, threading.Semaphore] = defaultdict(
            lambda: threading.Semaphore(settings.per_domain)
        )
        self._lock = threading.Lock()
        self._stopped = False
        #: Where a redirected URL ended, by the URL that was asked for.
        self.moved: dict[str, str] = {}
        #: What the answers to a URL said of themselves, by the URL that was asked for.
        self.answered: dict[str, Answered] = {}

    @contextmanager
    def installed(self) -> Iterator["Opener"]:
        """Be the opener of urllib.request.urlopen for a while, then close."""
        before = urllib.request._opener  # type: ignore[attr-defined]  # no public way to read it
        urllib.request.install_opener(self)  # type: ignore[arg-type]  # only `open` is ever called
        try:
            yield self
        finally:
            urllib.request.install_opener(before)
            self._resolver.close()
            self._connections.close()

    def stop(self) -> None:
        """Fetch nothing more: every further URL fails at once."""
        self._stopped = True

    def open(
        self, request: urllib.request.Request | str, data: object = None, timeout: object = None
    ) -> Answer:
        """GET a URL; raises FetchError. The signature is urllib's; our own limits count."""
        clock = Clock(self._settings.timeout, self._settings.deadline)
        if self._stopped:
            raise FetchError("download:error", "stopped")
        if isinstance(request, str):
            request = urllib.request.Request(request)
        headers = dict(request.header_items())
        for attempt in range(self._settings.retries + 1):
            try:
                return self._follow(request.full_url, headers, clock)
            except FetchError as error:
                wait = error.retry_after
                if wait is None:
                    wait = self._backoff * 2**attempt * random.uniform(0.75, 1.25)
                if not error.passing or attempt == self._settings.retries or wait >= clock.left():
                    raise
                time.sleep(wait)
        raise AssertionError("unreachable")

    def _follow(self, asked: str, headers: dict[str, str], clock: Clock) -> Answer:
        """GET with redirects."""
        url = normalise(asked)
        self.answered.pop(asked, None)  # of an attempt that failed
        for _ in range(self._settings.max_redirects + 1):
            with self._slot(urlsplit(url).hostname or "", clock):
                try:
                    answer = self._get(url, asked, headers, clock)
                except Exception as error:
                    raise explain(error, clock) from error
            if isinstance(answer, Answer):
                return answer
            url = normalise(answer)
            self.moved[asked] = url
        raise FetchError("download:redirects", f"more than {self._settings.max_redirects}")

    def _get(self, url: str, asked: str, headers: dict[str, str], clock: Clock) -> Answer | str:
        """One request on behalf of `asked`: the answer, or the URL it redirects to."""
        parts = urlsplit(url)
        # Also for a connection that is there already: a host that may not be asked, is not.
        addresses = self._resolver.addresses(parts.hostname or "", port_of(parts), clock.patience())
        with self._connections.get(parts, addresses, headers, clock) as response:
            status = response.status
            self.answered[asked] = answered(response.headers, self.answered.get(asked))
            if 200 <= status < 400 and (
                why := opted_out(response.headers, self._opt_out, self._settings.user_agent)
            ):
                raise FetchError("download:opt-out", why)
            if status in _REDIRECTS and (location := response.headers.get("Location")):
                return urljoin(url, readable(location))
            if not 200 <= status < 300 or status == 206:  # a part was not asked for
                raise FetchError(
                    f"download:http-{status}",
                    response.reason,
                    passing=status in (408, 429) or (500 <= status < 600 and status != 501),
                    retry_after=_seconds(response.headers.get("Retry-After")),
                )
            return Answer(read_body(response, self._settings.max_bytes), response.headers)

    @contextmanager
    def _slot(self, host: str, clock: Clock) -> Iterator[None]:
        """One of the host's places. Given back before a redirect or a back-off, so none starves."""
        with self._lock:
            slot = self._slots[host]
        started = time.monotonic()
        with slot:
            clock.pause(time.monotonic() - started)
            yield


def _seconds(retry_after: str | None) -> float | None:
    """Retry-After in seconds; None where there is none or it makes no sense."""
    if retry_after is None:
        return None
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        moment = parsedate_to_datetime(retry_after)
        return max(0.0, (moment - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None
