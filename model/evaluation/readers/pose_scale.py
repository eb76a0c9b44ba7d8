"""Drawn people at all scales: full bodies are searched among close-ups in other clothes."""

import os

import pyarrow as pa

from model.evaluation.readers.image_table import ImageRow, image_table
from model.evaluation.readers.shard_people import keys_of_people
from model.shard_list import list_shards

#: What the shards' names begin with.
_PARTS = {"full": "query", "close": "gallery"}


def read_pose_scale(path: str | os.PathLike[str]) -> pa.Table:
    """The samples of the shards `full-*.tar` (queries) and `close-*.tar` of a folder.

    `image_table` with images `SHARD/KEY`. `webbody.demo.pose_scale` writes such folders, of people
    whom no training has seen. Raises WebbodyError where there are no such shards, for a damaged
    one, and for samples without a person.
    """
    rows = []
    for part, role in _PARTS.items():
        shards = list_shards([f"{os.fspath(path)}/{part}-*.tar"])
        for person, samples in sorted(keys_of_people(shard.url for shard in shards).items()):
            rows += [ImageRow(f"{url}/{key}", person, role) for url, key in samples]
    return image_table(rows)
