"""WebBody4M and WebBody12M among the training people (the rule of the authors' script)."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from pipelines.sampling.placement import shuffle_numbers

#: Per cent of the people with most images, of whom a subset takes its share.
TOP = 48
#: Per cent of these people that a subset takes at random.
SUBSETS: Mapping[str, int] = {"4m": 25, "12m": 70}


def subset(
    people: NDArray[np.int64], images: NDArray[np.int64], percent: int, seed: int
) -> NDArray[np.int64]:
    """The ids, sorted, of `percent` of the TOP per cent of people by their images (P,).

    people: (P,) ids of the training people, each once. Numbers of people are rounded down. People
    with equally many images, and those who are taken, are told apart by a keyed hash of the id. In
    the draw of the authors' script one person more changes all; here whoever comes or goes changes
    three others at most, and a smaller subset is part of a larger one.
    """
    top = people[np.lexsort((_drawn("top", people, seed), -images))][: len(people) * TOP // 100]
    order = np.argsort(_drawn("subset", top, seed), kind="stable")
    return np.sort(top[order[: len(top) * percent // 100]])


def _drawn(purpose: str, people: NDArray[np.int64], seed: int) -> NDArray[np.uint64]:
    return shuffle_numbers((f"{purpose} {person}" for person in people.tolist()), seed)
