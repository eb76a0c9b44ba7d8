"""The people of shards: which samples each has, by their keys alone."""

from collections import defaultdict
from collections.abc import Iterable

import fsspec

from model.evaluation.errors import EvaluationError
from model.shard_samples import read_samples


def keys_of_people(urls: Iterable[str]) -> dict[int, list[tuple[str, str]]]:
    """URL and key of each person's samples, in the shards' order.

    Raises BadShard for a damaged shard, and EvaluationError for samples without a person.
    """
    people = defaultdict(list)
    for url in urls:
        with fsspec.open(url, "rb") as file:
            for sample in read_samples(file, url):
                if "cls" not in sample.data:
                    raise EvaluationError(f"{url}: {sample.key} has no person (.cls)")
                people[int(sample.data["cls"])].append((url, sample.key))
    return people
