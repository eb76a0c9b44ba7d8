"""WebBody-Test: the test shards of a build, and which of their samples are queries."""

import os

import numpy as np
import pyarrow as pa

from model.evaluation.query_gallery import GALLERY, QUERY, roles
from model.evaluation.readers.image_table import ImageRow, image_table
from model.evaluation.readers.shard_people import keys_of_people
from model.shard_list import list_shards


def read_webbody_test(path: str | os.PathLike[str]) -> pa.Table:
    """The samples of the shards that a build's index lists as test (or of a folder of shards).

    `image_table` with images `SHARD/KEY`, shards as `list_shards` names them, sorted within a
    person's role, which `query_gallery` tells; cameras and clothes are unknown. Raises
    WebbodyError where there are no shards, for a damaged one, and for samples without a person.
    """
    shards = list_shards([os.fspath(path)], "test")
    people = sorted(keys_of_people(shard.url for shard in shards).items())
    samples = [(person, url, key) for person, of in people for url, key in of]
    role = roles((key for _, _, key in samples), np.array([one[0] for one in samples], np.int64))
    split = {
        kind: sorted(
            (person, f"{url}/{key}")
            for (person, url, key), own in zip(samples, role.tolist(), strict=True)
            if own == kind
        )
        for kind in (QUERY, GALLERY)
    }
    rows = [ImageRow(image, person, kind) for kind, of in split.items() for person, image in of]
    return image_table(rows)
