"""Which names are one person (the rule of WebFace260M, as WebBody4M uses it)."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

import numpy as np
from numpy.typing import NDArray

from pipelines.identity.features import Floats, unit
from pipelines.identity.similarity import SimilarPairs

UNMERGED = -1


@dataclass(frozen=True)
class People:
    """Names grouped into people.

    person: (N,) the person of each name, or UNMERGED; people are numbered by their first name.
    centres: (P, D) sums of their names' centres.
    """

    person: NDArray[np.int64]
    centres: Floats


def merge(
    centres: Floats,
    pairs: SimilarPairs,
    similar: float,
    apart: NDArray[np.int64] | None = None,
    settled: NDArray[np.bool_] | None = None,
) -> People:
    """Group names by their centres (N, D), sums of raw features; `pairs` holds cosines >= similar.

    Names joined by pairs above `similar` form a component. Two are merged. Of more, the most
    similar pair is merged and its centres summed, again and again while a similarity of at least
    `similar` is left; names that were never merged are then dropped. Equal similarities are taken
    in the order of the names.

    apart: (A, 2) names that are never in one group. settled: (N,) names that count as merged.
    """
    group = np.arange(len(centres))
    against: dict[int, set[int]] = defaultdict(set)
    for a, b in () if apart is None else apart.tolist():
        against[a].add(b)
        against[b].add(a)
    for members, edges in _components(len(centres), _without(pairs, against), similar):
        merged = _agglomerate(centres[members], edges, similar, _inside(members, against))
        alone = np.bincount(merged, minlength=len(merged))[merged] == 1
        dropped = alone if settled is None else alone & ~settled[members]
        group[members] = np.where(dropped, UNMERGED, members[merged])
    person = np.full(len(centres), UNMERGED, np.int64)
    known = group != UNMERGED
    firsts, person[known] = np.unique(group[known], return_inverse=True)
    sums = np.zeros((len(firsts), centres.shape[1]), np.float64)
    np.add.at(sums, person[known], centres[known])
    return People(person, sums.astype(np.float32))


def _without(pairs: SimilarPairs, against: Mapping[int, set[int]]) -> SimilarPairs:
    """The pairs that may be one group."""
    if not against:
        return pairs
    both = zip(pairs.a.tolist(), pairs.b.tolist(), strict=True)
    free = np.array([b not in against.get(a, ()) for a, b in both], bool)
    return SimilarPairs(pairs.a[free], pairs.b[free], pairs.cosine[free])


def _inside(members: NDArray[np.int64], against: Mapping[int, set[int]]) -> dict[int, set[int]]:
    """`against` among the members of a component, by position."""
    place = {member: row for row, member in enumerate(members.tolist())} if against else {}
    return {
        row: {place[other] for other in against[member] if other in place}
        for member, row in place.items()
        if member in against
    }


def _components(
    count: int, pairs: SimilarPairs, similar: float
) -> Iterator[tuple[NDArray[np.int64], SimilarPairs]]:
    """Members of each component of two or more, and the pairs inside it by position."""
    from scipy.sparse import coo_array  # slow to import, and only workers need it
    from scipy.sparse.csgraph import connected_components

    above = pairs.cosine > similar
    graph = coo_array((np.ones(above.sum()), (pairs.a[above], pairs.b[above])), (count, count))
    _, component = connected_components(graph, directed=False)
    inside = component[pairs.a] == component[pairs.b]
    a, b, cosine = pairs.a[inside], pairs.b[inside], pairs.cosine[inside]
    by_component = np.argsort(component, kind="stable")
    pairs_by_component = np.argsort(component[a], kind="stable")
    sizes = np.bincount(component, minlength=1)
    first_member = np.concatenate([[0], np.cumsum(sizes)])
    first_pair = np.searchsorted(component[a][pairs_by_component], np.arange(len(sizes) + 1))
    for number in np.flatnonzero(sizes > 1):
        members = by_component[first_member[number] : first_member[number + 1]]
        own = pairs_by_component[first_pair[number] : first_pair[number + 1]]
        yield (
            members,
            SimilarPairs(
                np.searchsorted(members, a[own]), np.searchsorted(members, b[own]), cosine[own]
            ),
        )


def _agglomerate(
    centres: Floats, edges: SimilarPairs, similar: float, against: dict[int, set[int]]
) -> NDArray[np.int64]:
    """For each member of a component the first member of its group; `against`: who stay apart.

    A heap holds the candidate pairs; an entry is stale once one of its groups has changed.
    """
    count = len(centres)
    sums = centres.astype(np.float64)
    units = unit(sums)
    group = np.arange(count)
    changes = np.zeros(count, np.int64)
    heap = [
        (-float(cosine), int(a), int(b), 0, 0)
        for a, b, cosine in zip(edges.a, edges.b, edges.cosine, strict=True)
    ]
    heapify(heap)
    while heap:
        _, a, b, changes_a, changes_b = heappop(heap)
        if changes[a] != changes_a or changes[b] != changes_b:
            continue
        if b in against.get(a, ()):
            continue
        group[group == b] = a
        for other in against.pop(b, ()):
            against.setdefault(a, set()).add(other)
            against[other] = against[other] - {b} | {a}
        sums[a] += sums[b]
        units[a] = unit(sums[a])
        changes[[a, b]] += 1
        candidates = group == np.arange(count)
        candidates[a] = False
        cosines = units @ units[a]
        for c in np.flatnonzero(candidates & (cosines >= similar)):
            low, high = min(a, int(c)), max(a, int(c))
            heappush(heap, (-float(cosines[c]), low, high, int(changes[low]), int(changes[high])))
    return group
