"""A stable shuffle: few samples move when others are added or removed.

A sample's shard follows from its key, its person, the seed and the number of shards alone, so that
others who come and go do not move it. A person's samples are spread over a tenth of the shards, two
at least: whoever comes or goes changes only those. The price: shards are not exactly even, and hold
more samples of the people they hold (docs/build.md has the figures).
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from webbody.parquet_tables import read_parquet
from webbody.storage import Folder

#: The file with the number of shards of each split in the last complete build.
SHUFFLE = "shuffle.parquet"
_SCHEMA = pa.schema([("split", pa.string()), ("shards", pa.int64())])
#: A person's samples are spread over one in so many shards, and LEAST shards at least.
_SPREAD, _LEAST = 10, 2
#: The number of shards stays while they are filled between these, as shares of what is asked.
_SPARSE, _CROWDED = 0.5, 1.25


def shuffle_numbers(names: Iterable[str], seed: int) -> NDArray[np.uint64]:
    """A pseudo-random number for each name (N,), a function of the name and the seed alone."""
    key = str(seed).encode()
    digests = [hashlib.blake2b(c.encode(), digest_size=8, key=key).digest() for c in names]
    return np.frombuffer(b"".join(digests), "<u8").astype(np.uint64)


def shard_count(samples: int, per_shard: int, before: int | None = None) -> int:
    """The number of shards for so many samples; `before` is kept while it fits well enough."""
    if before and _SPARSE * per_shard <= samples / before <= _CROWDED * per_shard:
        return before
    return -(-samples // per_shard)


def shards_of(
    person: NDArray[np.int64], number: NDArray[np.uint64], count: int, seed: int
) -> NDArray[np.int64]:
    """The shard, 0 ... count - 1, of samples with shuffle numbers (N,) of people (N,)."""
    if not count:
        return np.zeros(0, np.int64)
    people, of = np.unique(person, return_inverse=True)
    first = shuffle_numbers((f"person {one}" for one in people.tolist()), seed)[of]
    spread = min(count, max(_LEAST, -(-count // _SPREAD)))
    # The lower bits order the samples in a shard: the shard follows from the higher ones.
    turn = (number >> np.uint64(32)) % np.uint64(spread)
    away = turn.astype(np.int64) * count // spread
    return ((first % np.uint64(count)).astype(np.int64) + away) % count


@dataclass(frozen=True)
class SamplePlaces:
    """names: of the output shards, such as train-000000. file, place: (N,) where a sample goes."""

    names: list[str]
    file: NDArray[np.int64]
    place: NDArray[np.int64]


def place(
    person: NDArray[np.int64],
    split: Sequence[str],
    number: NDArray[np.uint64],
    shards: Mapping[str, int],
    seed: int,
) -> SamplePlaces:
    """Place samples (N,) of people in splits by their shuffle numbers; shards: of each split.

    Shards that get no sample, as may happen where there are hardly any, do not exist.
    """
    names, of = list(shards), np.asarray(split, object)
    which = np.zeros(len(person), np.int64)
    shard = np.zeros(len(person), np.int64)
    for i, name in enumerate(names):
        rows = np.flatnonzero(of == name)
        which[rows] = i
        shard[rows] = shards_of(person[rows], number[rows], shards[name], seed)
    used, file = np.unique(np.stack([which, shard], 1), axis=0, return_inverse=True)
    file = file.reshape(-1).astype(np.int64)
    at = np.zeros(len(person), np.int64)
    at[np.lexsort((number, file))] = np.arange(len(person))
    return SamplePlaces([f"{names[i]}-{one:06d}" for i, one in used.tolist()], file, at)


@dataclass(frozen=True)
class Shuffle:
    """How many shards each split of a complete build has."""

    shards: Mapping[str, int]

    @classmethod
    def read(cls, folder: Folder) -> "Shuffle":
        """What the folder remembers; nothing where no build in it was ever complete."""
        try:
            with folder.open(SHUFFLE) as file:
                table = read_parquet(file, schema=_SCHEMA)
        except (FileNotFoundError, pa.ArrowInvalid):
            return cls({})
        return cls({row["split"]: row["shards"] for row in table.to_pylist()})

    def table(self) -> pa.Table:
        """A row for each split."""
        return pa.table([list(self.shards), list(self.shards.values())], _SCHEMA)
