"""The guarded opener: everything a download reads from the network goes through it.

Installed as urllib's opener while img2dataset downloads, so that its code fetches under our limits:
public addresses only, also for redirects, limits on bytes and time, politeness towards hosts,
retries of temporary failures, opt-outs.
"""

import random
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from http.client import HTTPResponse

from pipelines.fetching.addresses import normalise, redirected
from pipelines.fetching.body import read_body
from pipelines.fetching.budget import MemoryReservation
from pipelines.fetching.errors import FetchError
from pipelines.fetching.opt_out import opted_out
from pipelines.fetching.response_headers import ResponseHeaders, read_headers
from pipelines.fetching.transport import Clock
from pipelines.fetching.web_access import REDIRECTS, WebAccess
from webbody.config import DownloadSettings
from webbody.errors import WebbodyError


class Answer:
    """A body with the interface of urllib's responses."""

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
    environment are not used: through them no address could be checked. access: what is known of
    hosts from earlier lists. backoff: seconds before the first retry.
    """

    def __init__(self, settings: DownloadSettings, access: WebAccess, backoff: float = 0.5) -> None:
        self._settings, self._access, self._backoff = settings, access, backoff
        self._opt_out = {directive.strip().lower() for directive in settings.opt_out}
        self._stopped = False
        self._lock = threading.Lock()
        self._reservations: dict[str, list[MemoryReservation]] = {}
        #: Final URL of redirects, by requested URL.
        self.moved: dict[str, str] = {}
        #: Metadata of responses, by requested URL.
        self.headers: dict[str, ResponseHeaders] = {}
        #: Why all further URLs fail: the network does not come back.
        self.failure: WebbodyError | None = None

    @contextmanager
    def installed(self) -> Iterator["Opener"]:
        """Install the opener for urllib.request.urlopen during the block."""
        before = urllib.request._opener  # type: ignore[attr-defined]  # no public way to read it
        urllib.request.install_opener(self)  # type: ignore[arg-type]  # only `open` is ever called
        try:
            yield self
        finally:
            urllib.request.install_opener(before)

    def stop(self) -> None:
        """Fetch nothing more: every further URL fails at once."""
        self._stopped = True

    def open(
        self, request: urllib.request.Request | str, data: object = None, timeout: object = None
    ) -> Answer:
        """GET a URL; raises FetchError. The signature is urllib's; its timeout is ignored."""
        url = request if isinstance(request, str) else request.full_url
        while True:
            began = time.monotonic()
            try:
                return self._tries(url)
            except FetchError as error:
                if self._is_host_failure(error, began):
                    self._access.hosts.failed(error)
                    raise
            self._access.hosts.reset_failures()

    def _is_host_failure(self, error: FetchError, began: float) -> bool:
        """Whether a failure is the host's; False if an outage of the network caused it and has
        ended.
        """
        if not error.network or self._stopped:
            return True
        try:
            return self._access.outage.is_host_failure(began)
        except WebbodyError as failure:
            self.failure = failure
            self.stop()
            return True

    def _tries(self, url: str) -> Answer:
        """GET with retries."""
        clock = Clock(self._settings.timeout, self._settings.deadline)
        for attempt in range(self._settings.retries + 1):
            if self._stopped:
                raise FetchError("download:error", "stopped")
            try:
                return self._follow(url, clock)
            except FetchError as error:
                wait = error.retry_after
                if wait is None:
                    wait = self._backoff * 2**attempt * random.uniform(0.75, 1.25)
                if not error.passing or attempt == self._settings.retries or wait >= clock.left():
                    raise
                time.sleep(wait)
        raise AssertionError("unreachable")

    def _follow(self, original: str, clock: Clock) -> Answer:
        """GET with redirects."""
        url = normalise(original)
        self.headers.pop(original, None)  # of an attempt that failed
        for _ in range(self._settings.max_redirects + 1):
            self._access.check_site(url, clock)
            answer = self._access.ask(
                url, clock, lambda response: self._check_answer(original, response)
            )
            if isinstance(answer, Answer):
                return answer
            url = redirected(url, answer)
            self.moved[original] = url
        raise FetchError("download:redirects", f"more than {self._settings.max_redirects}")

    def _check_answer(self, url: str, response: HTTPResponse) -> Answer | str:
        """The response to a URL, or the target of its redirect; FetchError for all others."""
        status = response.status
        self.headers[url] = read_headers(response.headers, self.headers.get(url))
        if 200 <= status < 400 and (
            why := opted_out(response.headers, self._opt_out, self._settings.user_agent)
        ):
            raise FetchError("download:opt-out", why)
        if status in REDIRECTS and (location := response.headers.get("Location")):
            return location
        if not 200 <= status < 300 or status == 206:  # a part was not asked for
            raise FetchError(
                f"download:http-{status}",
                response.reason,
                passing=status in (408, 429) or (500 <= status < 600 and status != 501),
                retry_after=_seconds(response.headers.get("Retry-After")),
            )
        memory = self._access.budget.reserve()
        try:
            body = read_body(response, self._settings.max_bytes, memory)
        except BaseException:
            memory.release()
            raise
        with self._lock:
            self._reservations.setdefault(url, []).append(memory)
        return Answer(body, response.headers)

    def done(self, url: str) -> None:
        """Release the memory of a URL's body."""
        with self._lock:
            waiting = self._reservations.get(url)
            memory = waiting.pop() if waiting else None
            if not waiting:
                self._reservations.pop(url, None)
        if memory is not None:
            memory.release()


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
