"""Checks that a release's people are in order, and in one split each."""

import numpy as np
from numpy.typing import NDArray

from webbody.errors import WebbodyError


class PeopleInOrder:
    """Checks rows as they are read, split by split.

    Args:
        where: What the release is called in errors.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._split, self._last = "", -1
        self._seen: dict[str, list[NDArray[np.int64]]] = {}

    def check(self, split: str, person: NDArray[np.int64]) -> None:
        """Look at the ids (N,) of the next rows of a split.

        Raises WebbodyError where one is smaller than the one before, or is in another split, too.
        """
        if split != self._split:
            self._split, self._last = split, -1
        steps = np.diff(person, prepend=self._last)
        if (steps < 0).any():
            raise WebbodyError(
                f"{self._where}: person {person[int(np.argmax(steps < 0))]} of {split} comes after "
                "one with a larger number; rows of a release are sorted by person: fetch it again."
            )
        new = person[steps > 0]
        for other, seen in self._seen.items():
            for ids in seen if other != split else ():
                both = np.intersect1d(new, ids, assume_unique=True)
                if len(both):
                    raise WebbodyError(
                        f"{self._where}: person {both[0]} is in {other} and in {split}, and nobody "
                        "may be in two splits; ask the publisher for a corrected release."
                    )
        self._seen.setdefault(split, []).append(new)
        if len(person):
            self._last = int(person[-1])
