"""The order in which a person looks at a build's decisions."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import count

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipelines.corrections.review.risk import priorities

#: The first units are the riskiest alone. From then on every fifth is drawn at random: from these
#: it can be told how many errors are left.
FIRST_BY_RISK, DRAWN_EVERY = 40, 5


@dataclass(frozen=True)
class ReviewQueue:
    """The units of a build in two orders.

    units: as rows of UNITS. by_priority: (N,) the likeliest errors first, those about many pictures
    before those about one. by_draw: (N,) in a random order, which depends on the pictures alone.
    """

    units: pa.Table
    by_priority: NDArray[np.int64]
    by_draw: NDArray[np.int64]

    @classmethod
    def of(cls, units: pa.Table) -> "ReviewQueue":
        draw = units["draw"].to_numpy()
        if not len(units):
            return cls(units, np.zeros(0, np.int64), np.zeros(0, np.int64))
        return cls(
            units,
            # Of equal ones those come first that the random order has last: so they are no sample.
            np.lexsort((~draw, -priorities(units))),
            np.argsort(draw, kind="stable"),
        )

    def next(self, reviewed: Collection[int] = (), by_risk: int = FIRST_BY_RISK) -> Iterator[int]:
        """The rows of `units` that are still to be looked at, in order.

        Args:
            reviewed: Rows that were looked at.
            by_risk: So many in all come by their risk alone, before some are drawn at random.
        """
        done = set(reviewed)
        risky, drawn = iter(self.by_priority.tolist()), iter(self.by_draw.tolist())
        for place in count(len(done) + 1):
            is_drawn = place > by_risk and (place - by_risk) % DRAWN_EVERY == 0
            source = drawn if is_drawn else risky
            row = next((row for row in source if row not in done), None)
            if row is None:
                return
            done.add(row)
            yield row


def reviewed_units(units: pa.Table, crops: Collection[str]) -> set[int]:
    """The rows of `units` of which a crop is among `crops`, of which somebody said something."""
    if not crops:
        return set()
    flat = units["crops"].combine_chunks()
    hits = pc.is_in(flat.flatten(), value_set=pa.array(sorted(crops), pa.string()))
    parents = pc.list_parent_indices(flat)
    return set(parents.filter(hits).to_pylist())
