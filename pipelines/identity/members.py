"""The person of each clustered crop, before people have ids."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.base.stage import Inputs
from pipelines.identity.adjustments import NO_ADJUSTMENTS, Adjustments
from pipelines.identity.centroids import Centroids
from pipelines.identity.person_ids import Keys, PersonIds
from pipelines.identity.resolution import ResolvedPeople
from pipelines.identity.samples import packed_keys


@dataclass(frozen=True)
class ShardMembers:
    """The clustered crops of a shard (N,), in the order of its table.

    crops: their working keys. samples: the keys under which they are packed. person: the number of
    their person in the build, not yet an id; -1 of what people took out, and of what they kept of
    a name of whom no face is known. is_kept: what people kept, whatever the figures say.
    """

    crops: Keys
    samples: Keys
    person: NDArray[np.int64]
    is_kept: NDArray[np.bool_]


@dataclass(frozen=True)
class BuildMembers:
    """The clustered crops of all shards, in the order of the shards; of the build no more."""

    shards: list[ShardMembers]

    @classmethod
    def read(
        cls,
        inputs: Inputs,
        centres: Centroids,
        resolved: ResolvedPeople,
        adjust: Adjustments = NO_ADJUSTMENTS,
    ) -> "BuildMembers":
        person_of = dict(zip(centres.names, resolved.person.tolist(), strict=True))
        shards = []
        for shard in inputs.shards:
            table = adjust.clustered(inputs, shard)
            crops, keep = table["crop"].to_pylist(), adjust.keep.get(shard, {})
            persons = [
                -1 if crop in adjust.out or (name not in person_of and crop in keep)
                else person_of[name]
                for crop, name in zip(crops, table["name"].to_pylist(), strict=True)
            ]  # fmt: skip
            shards.append(
                ShardMembers(
                    np.array(crops, "S32"),
                    packed_keys(inputs, shard, table["crop"], table["key"]),
                    np.array(persons, np.int64),
                    np.array([crop in keep for crop in crops], np.bool_),
                )
            )
        return cls(shards)

    def images(self, people: int) -> NDArray[np.int64]:
        """How many crops each person (P,) has."""
        every = [np.zeros(0, np.int64), *(one.person[one.person >= 0] for one in self.shards)]
        return np.bincount(np.concatenate(every), minlength=people).astype(np.int64)

    def kept_by_hand(self, people: int) -> NDArray[np.int64]:
        """How many crops of each person (P,) somebody kept."""
        every = [
            np.zeros(0, np.int64),
            *(one.person[one.is_kept & (one.person >= 0)] for one in self.shards),
        ]
        return np.bincount(np.concatenate(every), minlength=people).astype(np.int64)

    def faceless(self) -> set[str]:
        """Crops that somebody kept of names of whom no face is known."""
        return {
            crop.decode()
            for one in self.shards
            for crop in one.crops[one.is_kept & (one.person < 0)].tolist()
        }

    def of_shard(self, number: int) -> ShardMembers:
        return self.shards[number]

    def of_others(
        self, stays: NDArray[np.bool_], images: NDArray[np.int64]
    ) -> dict[str, tuple[str, float]]:
        """Crop -> the same crop of a larger person, for crops assigned to several people.

        One URL may stand under two names; what somebody kept comes first. stays, images: (P,) who
        is in the build, with how many images; what goes is taken off.
        """
        crops, samples, person, by_hand = self._joined(stays)
        order = np.lexsort((person, -images[person], ~by_hand, samples))
        same = samples[order][1:] == samples[order][:-1]
        gone: dict[str, tuple[str, float]] = {}
        first = 0
        for place in np.flatnonzero(same).tolist():
            if place == 0 or not same[place - 1]:
                first = int(order[place])
            row = int(order[place + 1])
            if person[row] != person[first]:
                gone[crops[row].decode()] = crops[first].decode(), float("nan")
                images[person[row]] -= 1
        return gone

    def numbered(
        self,
        stays: NDArray[np.bool_],
        gone: Collection[str],
        person_ids: PersonIds,
        secret: bytes,
    ) -> tuple[NDArray[np.int64], PersonIds]:
        """The id of each person (P,), -1 for those who do not stay; and what is to be remembered.

        gone: crops that repeat others. A sample that the build drops as a repeat still tells whose
        it is, unless another person has it.
        """
        crops, samples, person, _ = self._joined(stays)
        # A sample that two people claim is the one's who kept it: it comes first.
        dropped = np.array([crop.decode() in gone for crop in crops.tolist()], bool)
        order = np.lexsort((dropped, samples))
        samples, person = samples[order], person[order]
        first = np.ones(len(samples), bool)
        first[1:] = samples[1:] != samples[:-1]
        samples, person = samples[first], person[first]
        people, group = np.unique(person, return_inverse=True)
        label = np.full(len(stays), -1, np.int64)
        label[people] = person_ids.assign(samples, group, secret)
        return label, person_ids.after(samples, label[person])

    def _joined(
        self, stays: NDArray[np.bool_]
    ) -> tuple[Keys, Keys, NDArray[np.int64], NDArray[np.bool_]]:
        """Crops, samples and person of everybody who stays, and of what somebody kept: is_kept."""
        none = np.zeros(0, "S32")
        person = np.concatenate([np.zeros(0, np.int64), *(one.person for one in self.shards)])
        crops = np.concatenate([none, *(one.crops for one in self.shards)])
        samples = np.concatenate([none.astype("S20"), *(one.samples for one in self.shards)])
        by_hand = np.concatenate([np.zeros(0, np.bool_), *(one.is_kept for one in self.shards)])
        there = (person >= 0) & (stays[person] | by_hand)
        return crops[there], samples[there], person[there], by_hand[there]
