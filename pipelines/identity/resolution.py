"""Identity resolution from centroids: merged names, ambiguous and leaked people."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.identity.adjustments import NO_ADJUSTMENTS, Adjustments, NameGroups
from pipelines.identity.centroids import Centroids
from pipelines.identity.features import Floats, unit
from pipelines.identity.gallery_file import Gallery
from pipelines.identity.merging import UNMERGED, People, merge
from pipelines.identity.similarity import SimilarPairs, pairs_above

UNMERGED_OUTCOME, AMBIGUOUS, LEAK = "identity:unmerged", "identity:ambiguous", "identity:leak"


@dataclass(frozen=True)
class Decision:
    """What became of a similar pair: merged, unmerged, apart, ambiguous or leak; or what was said.

    Apart are names of one component in different people. Of an ambiguous pair `name_b` is dropped;
    of a leak `name_b` is `gallery:identity`. What somebody said of a pair, whatever its similarity:
    one-person or two-people.
    """

    name_a: str
    name_b: str
    similarity: float
    decision: str


@dataclass(frozen=True)
class ResolvedPeople:
    """People made of names, with their outcomes.

    person: (N,) of each name; a name that was dropped as unmerged is a person of its own.
    outcome: (P,) None or why the person goes; similarity: (P,) the cosine that decided, else NaN.
    People are numbered by their first name.
    """

    person: NDArray[np.int64]
    outcome: NDArray[np.object_]
    similarity: Floats
    decisions: list[Decision]


def resolve(
    centres: Centroids,
    galleries: Sequence[Gallery],
    *,
    similar: float,
    ambiguous: float,
    leak: float,
    device: str = "cpu",
    adjust: Adjustments = NO_ADJUSTMENTS,
) -> ResolvedPeople:
    """Merge names, then drop ambiguous and then leaked people.

    Ambiguity is judged after merging, among the people that remain: of two whose centres have a
    cosine of at least `ambiguous` the one with fewer images goes, of equal ones the later; so
    nobody who stays is that similar to anybody else. A person is leaked whose centre has a cosine
    above `leak` to an identity of a gallery. Names that `adjust` calls one person are merged before
    all others; of those that it calls two neither is merged with nor dropped for the other.
    """
    said = _Said.of(centres, adjust)
    pairs = pairs_above(unit(said.vectors), None, similar, device)
    grouped = merge(said.vectors, pairs, similar, said.apart, said.settled)
    people = People(grouped.person[said.group], grouped.centres)
    decisions = _of_names(said.first_names, pairs, grouped.person, similar) + said.decisions()

    count = len(people.centres)
    outcome = np.full(count, None, object)
    similarity = np.full(count, np.nan, np.float32)
    known = people.person != UNMERGED
    images = np.bincount(people.person[known], centres.images[known], count)
    first = np.zeros(count, np.int64)
    first[people.person[known][::-1]] = np.flatnonzero(known)[::-1]
    name = [centres.names[row] for row in first]

    units = unit(people.centres)
    doubtful = pairs_above(units, None, ambiguous, device)
    two = said.people_apart(grouped.person)
    for a, b, cosine in zip(doubtful.a, doubtful.b, doubtful.cosine, strict=True):
        if (int(a), int(b)) in two:
            continue
        stays, goes = (a, b) if images[a] >= images[b] else (b, a)
        outcome[goes] = AMBIGUOUS
        similarity[goes] = np.fmax(similarity[goes], cosine)
        decisions.append(Decision(name[stays], name[goes], float(cosine), "ambiguous"))

    leaked: dict[int, tuple[float, str]] = {}
    for gallery in galleries:
        found = pairs_above(units, unit(gallery.features), leak, device)
        for person, other, cosine in zip(found.a, found.b, found.cosine, strict=True):
            if cosine <= leak or outcome[person] is not None:
                continue
            other_name = f"{gallery.name}:{gallery.identities[other]}"
            decisions.append(Decision(name[person], other_name, float(cosine), "leak"))
            if cosine > leaked.get(int(person), (-2.0, ""))[0]:
                leaked[int(person)] = float(cosine), gallery.name
    for person, (cosine, gallery_name) in leaked.items():
        outcome[person], similarity[person] = f"{LEAK}:{gallery_name}", cosine
    # The rows of `pairs` are groups of names; of each its first name stands for it.
    first_of = np.unique(said.group, return_index=True)[1]
    of_names = SimilarPairs(first_of[pairs.a], first_of[pairs.b], pairs.cosine)
    return _with_unmerged(people.person, outcome, similarity, of_names, decisions)


@dataclass(frozen=True)
class _Said:
    """What people said of the names of a build: groups of names that are one person.

    group: (N,) of each name, numbered by first name. vectors: (G, D) sums. apart: (A, 2) groups
    that are two people. settled: (G,) groups of several names.
    """

    centres: Centroids
    group: NDArray[np.int64]
    vectors: Floats
    first_names: list[str]
    apart: NDArray[np.int64]
    settled: NDArray[np.bool_]
    adjust: Adjustments

    @classmethod
    def of(cls, centres: Centroids, adjust: Adjustments) -> "_Said":
        names, count = centres.names, len(centres.names)
        none = np.zeros((0, 2), np.int64)
        if not (adjust.one or adjust.two):
            alone = np.zeros(count, np.bool_)
            return cls(centres, np.arange(count), centres.vectors, names, none, alone, adjust)
        there = set(names)
        joined = NameGroups(pair for pair in adjust.one if there.issuperset(pair))
        roots = [joined.root(name) for name in names]
        place: dict[str, int] = {}
        group = np.array([place.setdefault(root, len(place)) for root in roots], np.int64)
        vectors = np.zeros((len(place), centres.vectors.shape[1]), np.float64)
        np.add.at(vectors, group, centres.vectors)
        first_names = [names[row] for row in np.unique(group, return_index=True)[1].tolist()]
        apart = {
            (place[joined.root(a)], place[joined.root(b)])
            for a, b in adjust.two
            if a in there and b in there
        }
        return cls(
            centres,
            group,
            vectors.astype(np.float32),
            first_names,
            np.array(sorted(apart), np.int64).reshape(-1, 2),
            np.bincount(group, minlength=len(place)) > 1,
            adjust,
        )

    def people_apart(self, person: NDArray[np.int64]) -> set[tuple[int, int]]:
        """Pairs of people who are two; person: (G,) of each group."""
        pairs = np.sort(person[self.apart], axis=1).tolist()
        return {(a, b) for a, b in pairs}

    def decisions(self) -> list[Decision]:
        """What was said, pair by pair of names that are there, with their cosines."""
        row = {name: number for number, name in enumerate(self.centres.names)}
        out = []
        for decision, pairs in (("one-person", self.adjust.one), ("two-people", self.adjust.two)):
            for a, b in sorted(pairs):
                if a in row and b in row:
                    units = unit(self.centres.vectors[[row[a], row[b]]])
                    out.append(Decision(a, b, float(units[0] @ units[1]), decision))
        return out


def _of_names(
    names: Sequence[str], pairs: SimilarPairs, person: NDArray[np.int64], similar: float
) -> list[Decision]:
    """What became of each pair above `similar` of names, or of groups by their first names."""
    out = []
    for a, b, cosine in zip(pairs.a, pairs.b, pairs.cosine, strict=True):
        if cosine <= similar:
            continue
        if UNMERGED in (person[a], person[b]):
            decision = "unmerged"
        else:
            decision = "merged" if person[a] == person[b] else "apart"
        out.append(Decision(names[a], names[b], float(cosine), decision))
    return out


def _with_unmerged(
    person: NDArray[np.int64],
    outcome: NDArray[np.object_],
    similarity: Floats,
    pairs: SimilarPairs,
    decisions: list[Decision],
) -> ResolvedPeople:
    """Number the people anew, a person for each unmerged name among them."""
    dropped = np.flatnonzero(person == UNMERGED)
    closest = np.full(len(person), np.nan, np.float32)
    np.fmax.at(closest, pairs.a, pairs.cosine)
    np.fmax.at(closest, pairs.b, pairs.cosine)
    number = person.copy()
    number[dropped] = len(outcome) + np.arange(len(dropped))
    _, first, renumbered = np.unique(number, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first))
    order = np.argsort(first)
    all_outcomes = np.concatenate([outcome, np.full(len(dropped), UNMERGED_OUTCOME, object)])
    all_similarities = np.concatenate([similarity, closest[dropped]])
    return ResolvedPeople(rank[renumbered], all_outcomes[order], all_similarities[order], decisions)
