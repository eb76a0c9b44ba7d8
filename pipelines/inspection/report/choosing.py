"""Choosing the rows of the report: round-robin over groups, deterministic."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, TypeVar

from pipelines.engine.build_files import shuffled

T = TypeVar("T")


def round_robin(
    items: Iterable[T], count: int, group: Callable[[T], Hashable], key: Callable[[T], str]
) -> list[T]:
    """`count` of the items, round-robin over groups, so that every group appears."""
    places: dict[Hashable, int] = defaultdict(int)
    turns: list[tuple[int, int, T]] = []
    for item in shuffled(items, key):
        turns.append((places[group(item)], len(turns), item))
        places[group(item)] += 1
    return [item for _, _, item in sorted(turns, key=lambda turn: turn[:2])[:count]]


def mixed(rows: Sequence[dict[str, Any]], count: int, key: str) -> list[dict[str, Any]]:
    """`count` rows: about two thirds that passed, from all shards, and every kind of outcome."""
    passed = [row for row in rows if row["outcome"] is None]
    failed = [row for row in rows if row["outcome"] is not None]
    some = max(min(len(failed), count // 3), count - len(passed))
    chosen = round_robin(passed, count - some, lambda row: row["shard"], lambda row: row[key])
    return chosen + round_robin(
        failed, some, lambda row: kind(row["outcome"]), lambda row: row[key]
    )


def kind(outcome: str) -> str:
    """An outcome without the crop that it names: one kind for all duplicates."""
    parts = outcome.split(":")
    return ":".join(parts[:2]) if parts[1:2] == ["duplicate-of"] else outcome
