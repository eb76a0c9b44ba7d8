"""Sampling whole people, so that the import is a given share of the training mix."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipelines.sampling.placement import shuffle_numbers


def images_for_share(share: float, others: int) -> int:
    """The number of images that is a share (0 to 1) of a mix with so many others."""
    return round(share * others / (1 - share))


def chosen_people(
    tables: Mapping[str, pa.Table], target: int, seed: int
) -> dict[str, NDArray[np.int64]]:
    """The people of each data set who together have about `target` images; all, if there are fewer.

    tables: `image_table` by data set. Everybody has the same chance, whatever the data set; a
    larger number takes the same people and more.
    """
    names, people, images = [], [], []
    for name, table in tables.items():
        numbers, counts = np.unique(table["person"].to_numpy(), return_counts=True)
        names += [name] * len(numbers)
        people.append(numbers)
        images.append(counts)
    person = np.concatenate(people)
    people_named = (f"share {name}/{number}" for name, number in zip(names, person, strict=True))
    order = np.argsort(shuffle_numbers(people_named, seed), kind="stable")
    reached = np.cumsum(np.concatenate(images)[order])
    # The last person is included if that brings the total closer.
    count = int(np.abs(np.concatenate([[0], reached]) - target).argmin())
    taken = np.zeros(len(order), bool)
    taken[order[:count]] = True
    owner = np.array(names)
    return {name: person[taken & (owner == name)] for name in tables}
