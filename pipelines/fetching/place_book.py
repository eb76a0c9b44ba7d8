"""Shares of the connections to each host among all workers of a build."""

import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

#: Seconds without a request after which a worker is taken for lost.
_LOST = 300.0


@dataclass(frozen=True)
class Share:
    """What a worker may use of a host: places, and the number of workers that share it."""

    places: int
    sharers: int


class SharedPlaces(Protocol):
    """A worker's interface to its share of a host's places."""

    def ask(self, host: str, in_use: int, requested: int, most: int) -> Share:
        """Its share of a host, see `PlaceBook.share`."""

    def leave(self, hosts: list[str]) -> None:
        """It uses these hosts no more."""


class PlaceBook:
    """Shares a host's places among workers; they ask again every second while they use it.

    A worker is never given what another one may still use: it waits until that one asks again and
    is told of its smaller share, or leaves.
    """

    def __init__(self) -> None:
        #: By host and worker: places, and when it was heard of.
        self._holders: defaultdict[str, dict[str, tuple[int, float]]] = defaultdict(dict)

    def share(self, host: str, worker: str, in_use: int, requested: int, most: int) -> Share:
        """A worker's share of a host, of whose places it has `in_use` and could use `requested`.

        most: places that the host has in all.
        """
        now = time.monotonic()
        holders = self._holders[host]
        for name, (_, seen) in list(holders.items()):
            if name != worker and now - seen > _LOST:
                del holders[name]
        others = sum(places for name, (places, _) in holders.items() if name != worker)
        sharers = len(holders.keys() | {worker})
        fair = max(most // sharers, 1) if sharers > 1 else most
        places = max(min(requested, fair, most - others), in_use, 0)
        holders[worker] = places, now
        return Share(places, sharers)

    def leave(self, hosts: Iterable[str], worker: str) -> None:
        """A worker uses these hosts no more."""
        for host in hosts:
            self._holders[host].pop(worker, None)
            if not self._holders[host]:
                del self._holders[host]
