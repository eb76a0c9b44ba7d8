"""The same photo under several people, and among the pictures of galleries.

Names are compared by the centre of their faces. What that cannot see is a single picture: one that
stands under two people, or a validation set's own picture among those of somebody else. Photos with
near perceptual hashes are candidates; chance makes such pairs, too, among very many photos, so a
pair counts where the hashes are nearly equal, or the faces agree as well.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipelines.base.stage import Inputs
from pipelines.identity.features import Floats, from_column, unit
from pipelines.identity.gallery_file import Gallery
from pipelines.identity.hash_search import near_pairs
from pipelines.identity.tables import rows_of

#: Bits within which no two different photos were seen (of real photos scaled and compressed again
#: none differed in more), so that nothing else is asked.
SAME_PICTURE = 2
#: More bits would tell nothing among very many photos.
MOST_BITS = 8
#: Of photos with one hash, such as blank ones, these speak for all.
_SPEAKERS = 8


class KeptPictures:
    """The pictures of those who stay: crop, person and hash of the photo."""

    def __init__(self) -> None:
        self._parts: list[tuple[NDArray[np.bytes_], NDArray[np.int64], NDArray[np.int64]]] = []

    def add(self, person: int, crops: NDArray[np.str_], hashes: NDArray[np.int64]) -> None:
        """Add pictures (N,) of a person."""
        self._parts.append((crops.astype("S32"), np.full(len(crops), person), hashes.copy()))

    def arrays(self) -> tuple[NDArray[np.bytes_], NDArray[np.int64], NDArray[np.int64]]:
        """Crops, people and hashes, sorted by hash and crop, so that shards decide no order."""
        if not self._parts:
            return np.zeros(0, "S32"), np.zeros(0, np.int64), np.zeros(0, np.int64)
        crops, people, hashes = (np.concatenate(part) for part in zip(*self._parts, strict=True))
        order = np.lexsort((crops, hashes))
        return crops[order], people[order], hashes[order]


@dataclass(frozen=True)
class NearCopy:
    """A crop whose photo is, nearly, that of another person's, or a picture of a gallery.

    person_a and person_b number people in the build. Of a picture of a gallery `crop_b` is "" and
    `person_b` -1, and gallery and identity say whose it is. similarity: cosine of the two faces, or
    to the identity.
    """

    crop_a: str
    crop_b: str
    person_a: int
    person_b: int
    gallery: str
    identity: str
    bits: int
    similarity: float


def find_copies(
    inputs: Inputs,
    kept: KeptPictures,
    galleries: Sequence[Gallery],
    *,
    near: int,
    alike: float,
    resembling: float,
) -> list[NearCopy]:
    """The copies across people, then those of galleries' pictures, each in the order of crops.

    Args:
        inputs: Tables of faces, of which those of candidates are read.
        kept: Whoever stays, without copies of one person.
        galleries: Those with hashes of their pictures take part.
        near: Bits in which the hashes of a pair differ at most (8 count as more do); -1: nothing is
            found.
        alike: Cosine that the faces of a pair must exceed, unless the hashes are nearly equal.
        resembling: The same, of a face and an identity of a gallery; reached is enough.
    """
    crops, people, hashes = kept.arrays()
    own, starts = np.unique(hashes, return_index=True)
    ends = np.append(starts[1:], len(hashes))
    pictures = np.concatenate([np.zeros(0, np.int64), *(one.hashes for one in galleries)])
    if near < 0 or not len(own):
        return []
    every = np.union1d(own, pictures)
    pairs = near_pairs(every, min(near, MOST_BITS))
    equal = np.arange(len(every))
    a, b = np.concatenate([equal, pairs.a, pairs.b]), np.concatenate([equal, pairs.b, pairs.a])
    bits = np.concatenate([np.zeros(len(every), np.int64), pairs.bits, pairs.bits])

    place = _places(own, every)
    groups = [range(*both) for both in zip(starts.tolist(), ends.tolist(), strict=True)]
    x, y = place[a], place[b]
    hits = np.flatnonzero((x >= 0) & ((x < y) | ((x == y) & (ends - starts > 1)[x])))
    across = [
        (row, other, int(bits[hit]))
        for hit in hits
        for row, other in _of_two(groups[x[hit]], groups[y[hit]])
        if people[row] != people[other]
    ]
    listed: list[tuple[int, Gallery, int, int]] = []
    for gallery in galleries:
        theirs, first = np.unique(gallery.hashes, return_index=True)
        there = _places(theirs, every)
        hits = np.flatnonzero((place[a] >= 0) & (there[b] >= 0))
        for x, y, apart in zip(place[a[hits]], there[b[hits]], bits[hits], strict=True):
            identity = int(gallery.hash_of[first[y]])
            listed += [(row, gallery, identity, int(apart)) for row in range(starts[x], ends[x])]

    rows = {row for pair in across for row in pair[:2]} | {row for row, *_ in listed}
    faces = _features(inputs, {row: crops[row].decode() for row in sorted(rows)})
    found = []
    for row, other, apart in across:
        cosine = float(faces[row] @ faces[other])
        if apart <= SAME_PICTURE or cosine > alike:
            named = crops[row].decode(), crops[other].decode()
            both = int(people[row]), int(people[other])
            found.append(NearCopy(*named, *both, "", "", apart, cosine))
    for row, gallery, identity, apart in listed:
        cosine = float(faces[row] @ unit(gallery.features[identity]))
        if apart <= SAME_PICTURE or cosine >= resembling:
            whose = gallery.name, gallery.identities[identity]
            crop, person = crops[row].decode(), int(people[row])
            found.append(NearCopy(crop, "", person, -1, *whose, apart, cosine))
    return sorted(found, key=lambda one: (one.gallery, one.crop_a, one.crop_b, one.identity))


def _places(some: NDArray[np.int64], among: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of each of the sorted values `among` its place in the sorted `some`, -1 where it is not."""
    place = np.full(len(among), -1)
    place[np.searchsorted(among, some)] = np.arange(len(some))
    return place


def _of_two(some: range, others: range) -> Iterator[tuple[int, int]]:
    """Pairs of the rows of two groups, or of one; of large groups a few rows speak for all."""
    if some == others:
        yield from ((a, b) for a in some[:_SPEAKERS] for b in some if a < b)
    else:
        yield from ((a, b) for a in some[:_SPEAKERS] for b in others)
        yield from ((a, b) for a in some[_SPEAKERS:] for b in others[:_SPEAKERS])


def _features(inputs: Inputs, wanted: Mapping[int, str]) -> dict[int, Floats]:
    """The unit features of crops, by row."""
    found: dict[int, Floats] = {}
    rows, crops = list(wanted), pa.array(list(wanted.values()), pa.string())
    for shard in inputs.shards if rows else ():
        table = inputs.table("faces", shard, ["crop", "feature"])
        at = rows_of(crops, table["crop"])
        there = np.flatnonzero(at >= 0)
        if len(there):
            features = unit(from_column(table["feature"].take(pa.array(at[there]))))
            found |= {rows[i]: feature for i, feature in zip(there, features, strict=True)}
    return found
