"""WebBody-Test: the test shards of a build, and which of their samples are queries.

The authors' split is not published. Ours: of each person the 25 samples whose keys have the
smallest digests, or as many as there are; of these the first fifth, rounded down, are queries and
the others the gallery. It depends on nothing but the keys. Cameras and clothes are unknown.
"""

import os
from collections import defaultdict
from hashlib import blake2b

import fsspec
import pyarrow as pa

from model.evaluation.errors import EvaluationError
from model.evaluation.readers.image_table import Row, image_table
from model.shard_samples import read_samples
from model.training.shard_list import list_shards

#: The authors' evaluation set is called webbody_test_25.
PER_PERSON = 25
#: One of so many samples is a query.
SHARE = 5


def read_webbody_test(path: str | os.PathLike[str]) -> pa.Table:
    """The samples of the shards that a build's index lists as test (or of a folder of shards).

    `image_table` with images `SHARD/KEY`, shards as `list_shards` names them, sorted within a
    person's role. Raises BadShard where there are no shards or one is damaged, and
    EvaluationError for samples without a person.
    """
    people = defaultdict(list)
    for shard in list_shards([os.fspath(path)], "test"):
        with fsspec.open(shard.url, "rb") as file:
            for sample in read_samples(file, shard.url):
                if "cls" not in sample.data:
                    raise EvaluationError(f"{shard.url}: {sample.key} has no person (.cls)")
                digest = blake2b(sample.key.encode(), digest_size=10).digest()
                image = f"{shard.url}/{sample.key}"
                people[int(sample.data["cls"])].append((digest, image))
    rows = []
    for person, images in sorted(people.items()):
        kept = [image for _, image in sorted(images)[:PER_PERSON]]
        queries = len(kept) // SHARE
        rows += [Row(image, person, "query") for image in sorted(kept[:queries])]
        rows += [Row(image, person, "gallery") for image in sorted(kept[queries:])]
    return image_table(rows)
