"""Near hashes among very many: pairs that differ in a few of 64 bits, without comparing all.

The bits are dealt out to `most` + k blocks. Hashes that differ in at most `most` bits agree in k
blocks at least (pigeonhole), so they lie side by side when all are sorted by those k blocks; every
choice of k of them is tried (Manku, Jain and Das Sarma, Detecting Near-Duplicates for Web Crawling,
2007). k is so large that few other hashes agree by chance.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from math import comb, log2

import numpy as np
from numpy.typing import NDArray

_BITS = 64
#: More choices of blocks than this are not tried: with larger k each step would only cost.
_MOST_CHOICES = 1500


@dataclass(frozen=True)
class HashPairs:
    """Rows `a` < `b` (P,) int64 and the number of bits (P,) in which they differ, by (a, b)."""

    a: NDArray[np.int64]
    b: NDArray[np.int64]
    bits: NDArray[np.uint8]


def near_pairs(hashes: NDArray[np.int64], most: int) -> HashPairs:
    """All pairs of different hashes (N,) that differ in at most `most` bits.

    Args:
        hashes: Of 64 bits, none twice.
        most: From 0 to 16; what is larger takes long where there are many.
    """
    values = np.ascontiguousarray(hashes).view(np.uint64)
    found = [_agreeing(values, *blocks, most) for blocks in _choices(len(values), most)]
    a, b, bits = (np.concatenate([part[i] for part in found]) for i in range(3))
    order = np.lexsort((b, a))
    return HashPairs(a[order], b[order], bits[order])


def _choices(count: int, most: int) -> Iterator[tuple[NDArray[np.uint64], tuple[int, ...]]]:
    """The masks of all blocks, with each choice of those that are to agree."""
    kept = 1
    while (
        _expected(most, kept) < log2(max(count, 2))
        and comb(most + kept + 1, kept + 1) <= _MOST_CHOICES
    ):
        kept += 1
    blocks = most + kept
    # Bits of neighbouring frequencies go together in pictures, so each block gets some of all.
    masks = np.array(
        [sum(1 << bit for bit in range(block, _BITS, blocks)) for block in range(blocks)], np.uint64
    )
    for chosen in combinations(range(blocks), kept):
        yield masks, chosen


def _expected(most: int, kept: int) -> float:
    """Bits in which the hashes of one place agree."""
    return kept * _BITS / (most + kept)


def _agreeing(
    values: NDArray[np.uint64], masks: NDArray[np.uint64], chosen: tuple[int, ...], most: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]:
    """The near pairs whose first blocks that agree are the chosen ones: each pair once."""
    keys = values & np.bitwise_or.reduce(masks[list(chosen)])
    order = np.argsort(keys)
    keys = keys[order]
    earlier = [masks[block] for block in range(chosen[-1]) if block not in chosen]
    found: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]] = []
    rows, step = np.flatnonzero(keys[1:] == keys[:-1]), 1
    while len(rows):
        a, b = order[rows], order[rows + step]
        apart = values[a] ^ values[b]
        bits: NDArray[np.uint8] = np.bitwise_count(apart)
        near = np.flatnonzero(bits <= most)
        if earlier:
            first = np.all([apart[near] & mask != 0 for mask in earlier], axis=0)
            near = near[first]
        a, b = a[near], b[near]
        found.append((np.minimum(a, b), np.maximum(a, b), bits[near]))
        step += 1
        rows = rows[rows + step < len(keys)]
        rows = rows[keys[rows] == keys[rows + step]]
    if not found:
        none = np.zeros(0, np.int64)
        return none, none, np.zeros(0, np.uint8)
    a, b, bits = (np.concatenate(part) for part in zip(*found, strict=True))
    return a, b, bits
