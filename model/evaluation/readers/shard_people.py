"""The people of shards: which samples each has, by their keys alone."""

from collections import defaultdict
from collections.abc import Iterable

import fsspec

from model.shard_samples import read_samples
from webbody.errors import WebbodyError


def keys_of_people(urls: Iterable[str]) -> dict[int, list[tuple[str, str]]]:
    """URL and key of each person's samples, in the shards' order.

    Raises WebbodyError for a damaged shard, and WebbodyError for samples without a person.
    """
    people = defaultdict(list)
    for url in urls:
        with fsspec.open(url, "rb") as file:
            for sample in read_samples(file, url):
                if "cls" not in sample.data:
                    raise WebbodyError(f"{url}: {sample.key} has no person (.cls)")
                people[int(sample.data["cls"])].append((url, sample.key))
    return people
