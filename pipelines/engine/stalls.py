"""Finding a chain that would wait for ever: workers that are to start again have no room.

The room of a worker that died, or whose machine is lost, may be taken by workers of later stages,
which then wait for the shard that was lost with it. Ray Data does not resolve that.
"""

import time
from collections.abc import Callable, Collection

#: Seconds without any event, in which the same workers wait to start again.
PATIENCE = 60.0


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
