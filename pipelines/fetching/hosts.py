"""Politeness towards hosts: concurrent requests, intervals, backing off from failing hosts."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from pipelines.fetching.errors import FetchError
from pipelines.fetching.place_book import Share, SharedPlaces
from pipelines.fetching.transport import Clock

#: Consecutive failures after which a host is paused, and for how long (seconds); each further
#: failure doubles it.
_BROKEN, _BREAK, _LONGEST_BREAK = 5, 30.0, 600.0
#: Failures of unreachable or silent hosts. A reset connection may concern a single picture.
_NO_ANSWER = {
    "download:refused", "download:unreachable", "download:timeout", "download:dns-failed",
    "download:dns-timeout",
}  # fmt: skip


#: Seconds after which a worker asks for its share of a host again, and while it waits for one.
_AGAIN, _SOON = 1.0, 0.1


class _Host:
    """The state of one host."""

    def __init__(self, places: int, interval: float) -> None:
        self.condition = threading.Condition()
        self.share = Share(places, 1)  # all of it where no other worker is asked
        self.in_use = self.waiting = self.requested = 0
        self.updated = -_AGAIN  # monotonic time at which other workers were heard of
        self.lock = threading.Lock()
        self.interval = interval
        self.next = 0.0  # monotonic time of the next request
        self.retry_at = 0.0  # until when the host asked to be left alone
        self.broken = 0.0  # until when it is not asked, as it did not answer
        self.failures = 0
        self.why: FetchError | None = None


class Hosts:
    """Limits the concurrent requests to each host; thread-safe.

    places: requests at the same time to one host. interval: seconds between two of them. Both are
    shared with other workers where `shared` is set; then call `leave` at the end of a list.
    """

    def __init__(self, places: int, interval: float) -> None:
        self._places, self._interval = places, interval
        self.shared: SharedPlaces | None = None
        self._left = time.monotonic()
        self._hosts: dict[str, _Host] = {}
        self._lock = threading.Lock()

    def _of(self, host: str) -> _Host:
        with self._lock:
            found = self._hosts.get(host)
            if found is None:
                found = self._hosts[host] = _Host(self._places, self._interval)
            return found

    @contextmanager
    def place(self, host: str, clock: Clock) -> Iterator[None]:
        """Wait for one of the host's places; the clock is paused meanwhile.

        Released before a redirect or a back-off, so that no request starves. Raises the host's last
        failure if it is paused for longer than the clock allows.
        """
        one = self._of(host)
        started = time.monotonic()
        if self.shared is not None and started - self._left >= _AGAIN:
            self.leave(_AGAIN)
        self._take(host, one)
        try:
            clock.pause(time.monotonic() - started)
            self._wait(one, clock)
            yield
        finally:
            with one.condition:
                one.in_use -= 1
                one.condition.notify()

    def _take(self, host: str, one: _Host) -> None:
        with one.condition:
            one.waiting += 1
            try:
                while not self._has_place(host, one):
                    one.condition.wait(_SOON if self.shared is not None else None)
                one.in_use += 1
            finally:
                one.waiting -= 1

    def _has_place(self, host: str, one: _Host) -> bool:
        """Whether a place is free; renews or extends this worker's share."""
        full = one.in_use >= one.share.places
        if self.shared is None:
            return not full
        refused = one.share.places < one.requested
        wait = _AGAIN if not full else _SOON if refused else 0.0
        if time.monotonic() - one.updated < wait:
            return not full
        one.requested = min(one.in_use + one.waiting, self._places)
        one.share = self.shared.ask(host, one.in_use, one.requested, self._places)
        one.updated = time.monotonic()
        return one.in_use < one.share.places

    def leave(self, unused: float = 0.0) -> None:
        """Give back the shares of hosts that were not used for some seconds."""
        self._left = time.monotonic()
        if self.shared is None:
            return
        with self._lock:
            hosts = list(self._hosts.items())
        left = []
        for host, one in hosts:
            with one.condition:
                idle = not one.in_use and not one.waiting and one.share.places
                if idle and self._left - one.updated >= unused:
                    one.share, one.requested = Share(0, one.share.sharers), 0
                    left.append(host)
        if left:
            self.shared.leave(left)

    def _wait(self, one: _Host, clock: Clock) -> None:
        with one.lock:
            now = time.monotonic()
            if one.why is not None and (one.broken > now or one.retry_at - now > clock.left()):
                again = FetchError(one.why.outcome, f"{one.why.detail} (not asked again so soon)")
                again.host = one.why.host
                raise again
            at = max(now, one.retry_at, one.next)
            one.next = at + one.interval * one.share.sharers
        if at > now:
            clock.pause(at - now)
            time.sleep(at - now)

    def slow_down(self, host: str, interval: float) -> None:
        """Set the interval that the host asks for, in seconds."""
        one = self._of(host)
        one.interval = max(one.interval, interval)

    def note_response(self, host: str) -> None:
        """Note a response of the host: its failures are reset."""
        one = self._of(host)
        if one.failures:
            one.failures, one.why, one.broken = 0, None, 0.0

    def back_off(self, host: str, error: FetchError) -> None:
        """Pause the host for `retry_after` seconds, as it asks."""
        one = self._of(host)
        with one.lock:
            one.why = error
            one.retry_at = max(one.retry_at, time.monotonic() + (error.retry_after or 0.0))

    def failed(self, error: FetchError) -> None:
        """Note a failure of the host; after several consecutive ones it is paused."""
        if error.outcome not in _NO_ANSWER or not error.host:
            return
        one = self._of(error.host)
        with one.lock:
            one.failures += 1
            if one.failures >= _BROKEN:
                times = min(one.failures - _BROKEN, 10)
                one.why = error
                one.broken = time.monotonic() + min(_BREAK * 2**times, _LONGEST_BREAK)

    def reset_failures(self) -> None:
        """Forget all failures, which an outage of the network caused."""
        with self._lock:
            for one in self._hosts.values():
                if one.failures:
                    one.failures, one.why, one.broken = 0, None, 0.0
