"""Distinguishing an outage of the network from failures of single hosts.

A failure is a host's own where another host answers after it, or one that answered before can be
reached. Where none can, the failures say nothing about the URLs: all fetches wait, hosts are tried
with growing pauses, and once one answers, what failed is asked again.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from webbody.errors import WebbodyError

#: A host name and a port.
Host = tuple[str, int]

#: Seconds until the first host is tried, in which another fetch may bring an answer.
_GRACE = 0.2
#: Seconds between rounds of trying: the first, and the longest.
_FIRST, _LONGEST = 1.0, 30.0
#: Hosts that are remembered as having answered, and those that are tried at the same time.
_REMEMBERED, _AT_ONCE = 64, 16
#: Seconds of waiting where no host has ever answered: rather the list is wrong, or this machine.
_NEVER = 60.0


class Outage:
    """Waits with its callers while no host answers; for many threads.

    reaches: whether a host takes a connection. patience: seconds until it gives up; 0: failures are
    never the network's. say: gets a sentence when an outage begins, goes on and ends.
    """

    def __init__(
        self,
        reaches: Callable[[Host], bool],
        patience: float,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._reaches, self._patience, self.say = reaches, patience, say
        self._condition = threading.Condition()
        self._good: OrderedDict[Host, None] = OrderedDict()
        self._others: list[Host] = []
        self._answered_at = self._over_at = -1.0
        self._trying = self._given_up = False
        #: The error of all further requests after the outage timed out.
        self.failure: WebbodyError | None = None

    def begin(self, hosts: Iterable[Host]) -> None:
        """Begin a new list of URLs; hosts: theirs, tried if none has answered yet."""
        self._others = list(dict.fromkeys(hosts))
        self.failure = None

    def note_response(self, host: Host, requested_at: float) -> None:
        """A host sent an answer, of whatever kind, to what it was asked then (monotonic).

        When it was asked is what counts: answers under way still come when all is over.
        """
        with self._condition:
            self._answered_at = max(self._answered_at, requested_at)
            self._good[host] = None
            self._good.move_to_end(host)
            if len(self._good) > _REMEMBERED:
                self._good.popitem(last=False)
            if self._trying:
                self._condition.notify_all()

    def is_host_failure(self, began: float) -> bool:
        """Whether a failure of just now is the host's own; False: the URL is to be asked again.

        began: when it was asked for (monotonic); an outage that has ended since explains it.
        Waits for the verdict, and through an outage. WebbodyError where that does not end.
        """
        if not self._patience:
            return True
        since = time.monotonic()
        with self._condition:
            while True:
                if self.failure is not None:
                    raise self.failure
                if self._over_at > began:
                    return False
                if self._answered_at > since:
                    return True
                waited = time.monotonic() - since
                if waited >= _GRACE and not self._trying:
                    self._trying = True
                    break
                self._condition.wait(max(_GRACE - waited, 0.05))
        try:
            outage = self._wait_for_an_answer(since)
        finally:
            with self._condition:
                self._trying = False
                self._condition.notify_all()
        return not outage

    def _wait_for_an_answer(self, since: float) -> bool:
        """Try hosts until one answers; whether it took more than one round."""
        pause, reported = _FIRST, since
        patience = self._patience if self._good else min(self._patience, _NEVER)
        if self._given_up:
            patience = 0.0
        rounds = 0
        while not self._any_reached():
            now = time.monotonic()
            if self._answered_at > since:  # by a fetch that was under way
                break
            if now - since >= patience:
                self._given_up = True
                self.failure = WebbodyError(self._sentence(now - since))
                raise self.failure
            if not rounds or now - reported >= 60:
                reported = now
                self.say(
                    f"no host answers; waiting for the network (for {now - since:.0f} s now, "
                    f"{patience:.0f} s at most: download.outage)."
                )
            rounds += 1
            time.sleep(min(pause, max(patience - (now - since), 0.05)))
            pause = min(2 * pause, _LONGEST)
        now = time.monotonic()
        self._given_up = False
        if rounds:
            self._over_at = now
            self.say(f"hosts answer again after {now - since:.0f} s; going on.")
        self._answered_at = max(self._answered_at, now)
        return rounds > 0

    def _any_reached(self) -> bool:
        with self._condition:
            hosts = list(reversed(self._good)) or self._others
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="probe") as pool:
            for start in range(0, len(hosts), _AT_ONCE):
                some = hosts[start : start + _AT_ONCE]
                for host, reached in zip(some, pool.map(self._reaches, some), strict=True):
                    if reached:
                        with self._condition:
                            self._good[host] = None
                        return True
        return False

    def _sentence(self, seconds: float) -> str:
        if self._good:
            return (
                f"no host answered any more for {seconds:.0f} s, also those that had answered "
                "before; look at this machine's network and run the same command again."
            )
        whose = f"none of its {len(self._others):,} hosts" if self._others[1:] else "its host never"
        return (
            f"{whose} answered; look at this machine's network, "
            "name servers and proxy, and at the list (download.outage=0 takes such failures for "
            "the hosts' own)."
        )
