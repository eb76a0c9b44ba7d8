"""Finding what Ray would wait for, for ever.

Two things are known: the room of a worker that died, or whose machine is lost, may be taken by
workers of later stages, which then wait for the shard that was lost with it; and where the head of
a cluster is lost, and another starts in its place, calls that were under way get no answer.
"""

import threading
import time
from collections.abc import Callable, Collection
from typing import TypeVar

#: Seconds after which there is no more hope.
PATIENCE = 60.0
_LOOK_SECONDS = 2.0
_ASK_SECONDS = 10.0

T = TypeVar("T")


def waited(work: Callable[[], T], check: Callable[[], None]) -> T:
    """What `work` returns or raises, from a thread of its own; `check` may end the waiting.

    It is called every other second, and what it raises is raised here, while the work goes on.
    """
    values: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            values.append(work())
        except BaseException as error:  # raised below, in the thread that waits
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(_LOOK_SECONDS)
        if thread.is_alive():
            check()
    if errors:
        raise errors[0]
    return values[0]


class NodeWatch:
    """Sees whether a node is one of those that a cluster's head counts as alive.

    Args:
        node: Its id.
        alive: The ids of nodes that are alive; may raise, or take its time, where the head is gone.
        patience: Seconds without a sight of it after which it is lost.
        clock: Seconds that only grow.
    """

    def __init__(
        self,
        node: str,
        alive: Callable[[], Collection[str]],
        patience: float = PATIENCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._node, self._alive, self._patience, self._clock = node, alive, patience, clock
        self._seen = clock()
        self._closed = threading.Event()

    def begin(self) -> None:
        """Ask again and again, in a thread of its own, until `close`."""

        def run() -> None:
            while not self._closed.wait(_ASK_SECONDS):
                self.look()

        threading.Thread(target=run, daemon=True).start()

    def look(self) -> None:
        """Ask once."""
        try:
            if self._node in self._alive():
                self._seen = self._clock()
        except Exception:  # of whatever kind: it was not seen
            return

    def is_lost(self) -> bool:
        """Whether it was not seen for so long."""
        return self._clock() - self._seen >= self._patience

    def close(self) -> None:
        """Ask no more."""
        self._closed.set()


class StallWatch:
    """Sees from events and from Ray's actors whether a chain goes on.

    Args:
        restarting: The actors that Ray wants to start again and has not, by id.
        patience: Seconds of silence after which it counts.
        clock: Seconds that only grow.
    """

    def __init__(
        self,
        restarting: Callable[[], Collection[str]],
        patience: float = PATIENCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._restarting, self._patience, self._clock = restarting, patience, clock
        self._heard = clock()
        self._waiting: dict[str, float] = {}  # actor -> since when

    def hear(self) -> None:
        """Something happened."""
        self._heard = self._clock()

    def is_stalled(self) -> bool:
        """Whether nothing happened for the patience, and a worker waited to start all that time."""
        now = self._clock()
        waiting = set(self._restarting())
        self._waiting = {actor: self._waiting.get(actor, now) for actor in waiting}
        since = max(self._heard, min(self._waiting.values(), default=now))
        return now - since >= self._patience
