"""Persistent person ids: the ids of the last complete build.

An id is a number that says nothing: a keyed hash of one of the person's samples. Once given it
stays with the person, whatever rows come and go. Of people who are merged, the one with most known
images gives its id; of a person who falls apart, the largest part keeps it. An id that gave way is
retired and never given again. `person-ids.parquet` in the build folder remembers all this; it is
written when a build is complete, so that a build that was stopped half-way leaves no trace in it.
"""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from webbody.errors import WebbodyError
from webbody.parquet_tables import read_parquet
from webbody.storage import Folder

PERSON_IDS = "person-ids.parquet"
#: Rows with a sample say whose it is; rows without one are ids that gave way, `into` another.
SCHEMA = pa.schema([("sample", pa.string()), ("person", pa.int64()), ("into", pa.int64())])
#: Bits of an id: JavaScript and spreadsheets hold them exactly.
_BITS = 48

Keys = NDArray[np.bytes_]


@dataclass(frozen=True)
class PersonIds:
    """Which sample was whose.

    samples: (N,) packed keys, sorted, as bytes. person: (N,) the ids they had. retired: ids that
    gave way, with the id that took most of their images.
    """

    samples: Keys = field(default_factory=lambda: np.zeros(0, "S20"))
    person: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    retired: Mapping[int, int] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Folder, name: str = PERSON_IDS) -> "PersonIds":
        """Read the folder's ids; empty if no build in it was ever complete."""
        try:
            with folder.open(name) as file:
                table = read_parquet(file, schema=SCHEMA)
        except FileNotFoundError:
            return cls()
        except (OSError, pa.ArrowInvalid) as error:
            raise WebbodyError(
                f"{folder.path(name)}: is damaged; restore it from a copy, or remove it to give "
                "new ids to everybody."
            ) from error
        gone = table["sample"].is_null().to_numpy()
        person = table["person"].to_numpy()
        return cls(
            np.array(table["sample"].drop_null().to_pylist(), "S20"),
            person[~gone],
            dict(zip(person[gone].tolist(), table["into"].to_numpy()[gone].tolist(), strict=True)),
        )

    def table(self) -> pa.Table:
        """As rows of SCHEMA, in an order that follows from the content."""
        gone = sorted(self.retired)
        samples = [key.decode() for key in self.samples.tolist()]
        into = [None] * len(samples) + [self.retired[number] for number in gone]
        numbers = [*self.person.tolist(), *gone]
        return pa.table([samples + [None] * len(gone), numbers, into], SCHEMA)

    def assign(self, samples: Keys, group: NDArray[np.int64], key: bytes) -> NDArray[np.int64]:
        """Ids of people 0 ... P - 1, to whom the samples (N,) belong by `group` (N,).

        key: the secret from which new ids are drawn. The answer does not depend on the order of
        samples, and is the same again from what `after` remembers.
        """
        count = int(group.max(initial=-1)) + 1
        ids = np.full(count, -1, np.int64)
        for person, number in self._inherited(samples, group):
            ids[person] = number
        used = {*self.person.tolist(), *self.retired, *ids.tolist()}
        anchor = _smallest(samples, group, count)
        for person in sorted(np.flatnonzero(ids < 0).tolist(), key=lambda one: anchor[one]):
            number = _draw(anchor[person], key, used)
            used.add(number)
            ids[person] = number
        return ids

    def without(self, samples: Collection[str]) -> "PersonIds":
        """What is remembered once samples were taken down."""
        gone = np.isin(self.samples, np.array(sorted(samples), "S20"))
        return PersonIds(self.samples[~gone], self.person[~gone], self.retired)

    def _inherited(self, samples: Keys, group: NDArray[np.int64]) -> list[tuple[int, int]]:
        """Person and the id that it keeps: most common images first, each id and person once."""
        given: dict[int, int] = {}
        taken: set[int] = set()
        for person, number in self._common(samples, group).tolist():
            if person not in given and number not in taken:
                given[person] = number
                taken.add(number)
        return list(given.items())

    def _common(self, samples: Keys, person: NDArray[np.int64]) -> NDArray[np.int64]:
        """Pairs (M, 2) of a person now and an id then that have samples in common, most first."""
        if not len(self.samples) or not len(samples):
            return np.zeros((0, 2), np.int64)
        at = np.searchsorted(self.samples, samples)
        at[at == len(self.samples)] = 0
        known = self.samples[at] == samples
        pairs, images = np.unique(
            np.stack([person[known], self.person[at[known]]], 1), axis=0, return_counts=True
        )
        return pairs[np.lexsort((pairs[:, 1], -images))]

    def after(self, samples: Keys, person: NDArray[np.int64]) -> "PersonIds":
        """What is to be remembered once the samples (N,) are those of the ids `person` (N,).

        Samples that are not in the build any more stay with their id, so that a person who comes
        back is the same. An id is retired that nobody has any more and whose samples went to
        others; its absent samples follow them.
        """
        samples = samples.astype("S20")
        present = set(person.tolist())
        retired = dict(self.retired)
        for now, then in self._common(samples, person).tolist():
            if then not in present:
                retired.setdefault(then, now)
        absent = ~np.isin(self.samples, samples)
        of = np.array([retired.get(n, n) for n in self.person[absent].tolist()], np.int64)
        every = np.concatenate([samples, self.samples[absent]])
        order = np.argsort(every, kind="stable")
        return PersonIds(every[order], np.concatenate([person, of])[order], retired)


def _smallest(samples: Keys, group: NDArray[np.int64], count: int) -> list[bytes]:
    """The smallest key of each person (P,), from which its id is drawn."""
    order = np.lexsort((samples, group))
    first = np.searchsorted(group[order], np.arange(count))
    smallest: list[bytes] = samples[order][first].tolist()
    return smallest


def _draw(anchor: bytes, key: bytes, used: set[int]) -> int:
    """A new id."""
    for attempt in range(1 << 16):
        text = anchor + attempt.to_bytes(2)
        digest = hashlib.blake2b(text, digest_size=8, key=key, person=b"person id").digest()
        number = int.from_bytes(digest) >> (64 - _BITS)
        if number not in used:
            return number
    raise RuntimeError("no free person id")  # 2**48 ids for millions of people
