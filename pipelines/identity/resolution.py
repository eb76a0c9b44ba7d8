"""Identity resolution from centroids: merged names, ambiguous and leaked people."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.identity.centroids import Centroids
from pipelines.identity.features import Floats, unit
from pipelines.identity.gallery_file import Gallery
from pipelines.identity.merging import UNMERGED, merge
from pipelines.identity.similarity import SimilarPairs, pairs_above

UNMERGED_OUTCOME, AMBIGUOUS, LEAK = "identity:unmerged", "identity:ambiguous", "identity:leak"


@dataclass(frozen=True)
class Decision:
    """What became of a similar pair: merged, unmerged, apart, ambiguous or leak.

    Apart are names of one component in different people. Of an ambiguous pair `name_b` is dropped;
    of a leak `name_b` is `gallery:identity`.
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
) -> ResolvedPeople:
    """Merge names, then drop ambiguous and then leaked people.

    Ambiguity is judged after merging, among the people that remain: of two whose centres have a
    cosine of at least `ambiguous` the one with fewer images goes, of equal ones the later; so
    nobody who stays is that similar to anybody else. A person is leaked whose centre has a cosine
    above `leak` to an identity of a gallery.
    """
    pairs = pairs_above(unit(centres.vectors), None, similar, device)
    people = merge(centres.vectors, pairs, similar)
    decisions = _of_names(centres, pairs, people.person, similar)

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
    for a, b, cosine in zip(doubtful.a, doubtful.b, doubtful.cosine, strict=True):
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
    return _with_unmerged(people.person, outcome, similarity, pairs, decisions)


def _of_names(
    centres: Centroids, pairs: SimilarPairs, person: NDArray[np.int64], similar: float
) -> list[Decision]:
    """What became of each pair of names above `similar`."""
    out = []
    for a, b, cosine in zip(pairs.a, pairs.b, pairs.cosine, strict=True):
        if cosine <= similar:
            continue
        if UNMERGED in (person[a], person[b]):
            decision = "unmerged"
        else:
            decision = "merged" if person[a] == person[b] else "apart"
        out.append(Decision(centres.names[a], centres.names[b], float(cosine), decision))
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
