"""People for the validation of a training, who are neither trained on nor in the test set."""

import numpy as np
from numpy.typing import NDArray

from pipelines.sampling.placement import shuffle_numbers

#: The trainer searches each image among the others: a person with fewer could not be found.
LEAST_IMAGES = 2


def draw_validation(
    people: NDArray[np.int64], images: NDArray[np.int64], count: int, seed: int
) -> NDArray[np.int64]:
    """The ids of `count` whole people (all, if there are fewer), by a keyed hash of each id.

    people, images: (P,) ids of those who are not in the test set, and their numbers of images. They
    are like those who are trained on, not like the test people: the rule about visible bodies does
    not apply. Each person who comes or goes changes one place at most.
    """
    fit = people[images >= LEAST_IMAGES]
    names = (f"validation {person}" for person in fit.tolist())
    return fit[np.argsort(shuffle_numbers(names, seed), kind="stable")[:count]]
