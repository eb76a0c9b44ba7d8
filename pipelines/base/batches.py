"""Batches of a stream of items that fit into memory."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")


def batched(items: Iterable[Item], count: int) -> Iterator[list[Item]]:
    """Batches of at most `count` consecutive items."""
    source = iter(items)
    while together := list(islice(source, count)):
        yield together


def batched_by_weight(
    items: Iterable[Item], count: int, weight: Callable[[Item], int], limit: int
) -> Iterator[list[Item]]:
    """Batches of at most `count` consecutive items with a total weight of at most `limit`.

    A heavier item is a batch of its own.
    """
    window: list[Item] = []
    total = 0
    for item in items:
        if window and (len(window) == count or total + weight(item) > limit):
            yield window
            window, total = [], 0
        window.append(item)
        total += weight(item)
    if window:
        yield window
