"""WebBody-Test: the test shards of a build, and which of their samples are queries.

The authors' split is not published. Ours: of each person the 25 samples whose keys have the
smallest digests, or as many as there are; of these the first fifth, rounded down, are queries and
the others the gallery. It depends on nothing but the keys. Cameras and clothes are unknown.
"""

import os
from hashlib import blake2b

import pyarrow as pa

from model.evaluation.readers.image_table import ImageRow, image_table
from model.evaluation.readers.shard_people import keys_of_people
from model.shard_list import list_shards

#: The authors' evaluation set is called webbody_test_25.
PER_PERSON = 25
#: One of so many samples is a query.
SHARE = 5


def read_webbody_test(path: str | os.PathLike[str]) -> pa.Table:
    """The samples of the shards that a build's index lists as test (or of a folder of shards).

    `image_table` with images `SHARD/KEY`, shards as `list_shards` names them, sorted within a
    person's role. Raises WebbodyError where there are no shards, for a damaged one, and
    for samples without a person.
    """
    shards = list_shards([os.fspath(path)], "test")
    people = keys_of_people(shard.url for shard in shards)
    rows = []
    for person, samples in sorted(people.items()):
        kept = [f"{url}/{key}" for url, key in sorted(samples, key=_drawn)[:PER_PERSON]]
        queries = len(kept) // SHARE
        rows += [ImageRow(image, person, "query") for image in sorted(kept[:queries])]
        rows += [ImageRow(image, person, "gallery") for image in sorted(kept[queries:])]
    return image_table(rows)


def _drawn(sample: tuple[str, str]) -> tuple[bytes, str]:
    """Where a sample stands in its person's order: by the digest of its key."""
    url, key = sample
    return blake2b(key.encode(), digest_size=10).digest(), f"{url}/{key}"
