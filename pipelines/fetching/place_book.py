"""Who has how many places at which host, over all workers of a build."""

import time
from collections import defaultdict
from dataclasses import dataclass

#: Seconds after which a worker that holds nothing at a host no longer counts, and one that does: it
#: is taken for lost with what it held.
_IDLE, _LOST = 3.0, 300.0


@dataclass(frozen=True)
class Share:
    """What a worker may use of a host: places, and the number of workers that share it."""

    places: int
    sharers: int


@dataclass
class _Holder:
    places: int
    in_use: int
    seen: float


class PlaceBook:
    """Shares a host's places among workers; they ask again every second while they use it.

    A worker is never given what another one may still use: it waits until that one asks again and
    is told of its smaller share.
    """

    def __init__(self) -> None:
        self._holders: defaultdict[str, dict[str, _Holder]] = defaultdict(dict)

    def share(self, host: str, worker: str, in_use: int, wanted: int, most: int) -> Share:
        """A worker's share of a host, of whose places it has `in_use` and could use `wanted`.

        most: places that the host has in all.
        """
        now = time.monotonic()
        holders = self._holders[host]
        for name, one in list(holders.items()):
            if name != worker and now - one.seen > (_LOST if one.in_use else _IDLE):
                del holders[name]
        others = sum(one.places for name, one in holders.items() if name != worker)
        sharers = len(holders.keys() | {worker})
        fair = max(most // sharers, 1)
        places = max(min(wanted, fair if sharers > 1 else most, most - others), in_use, 0)
        holders[worker] = _Holder(places, in_use, now)
        if len(self._holders) > 100_000:
            self._forget(now)
        return Share(places, sharers)

    def _forget(self, now: float) -> None:
        """Let go of hosts that nobody asks any more."""
        for host, holders in list(self._holders.items()):
            if all(now - one.seen > (_LOST if one.in_use else _IDLE) for one in holders.values()):
                del self._holders[host]
