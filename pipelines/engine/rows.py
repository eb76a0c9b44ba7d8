"""The row by which a shard passes through stages, and what becomes of it there."""

from collections.abc import Iterable
from typing import Any

#: A dict, as Ray Data sends it: `shard`, `force` (stages to redo although they are committed,
#: because their large outputs were evicted), `again` (stages to look at again, whose outputs may
#: stay), `failed` (the stage that failed, or "") and `message` (why).
Row = dict[str, Any]


def row_of(shard: str, force: Iterable[str] = (), again: Iterable[str] = ()) -> Row:
    """The row of a shard that nothing has failed on yet."""
    return {
        "shard": shard, "force": list(force), "again": list(again), "failed": "", "message": ""
    }  # fmt: skip
