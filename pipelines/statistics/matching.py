"""People of two data sets matched by the samples that both have: who stayed, merged, split."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class LabelledSamples:
    """keys (N,), sorted, and each sample's person and split."""

    keys: NDArray[np.bytes_]
    person: NDArray[np.int64]
    split: NDArray[np.bytes_]

    @classmethod
    def sorted(
        cls, keys: NDArray[np.bytes_], person: NDArray[np.int64], split: NDArray[np.bytes_]
    ) -> "LabelledSamples":
        order = np.argsort(keys, kind="stable")
        return cls(keys[order], person[order], split[order])


def matched(before: LabelledSamples, now: LabelledSamples) -> dict[str, Any]:
    """Counts of samples and people, ready for JSON.

    A person is matched with the one who has most of the shared samples, if each is so for the
    other. merged: people of whom most went to somebody who is matched with another; split: people
    who came with samples of somebody who is matched with another.
    """
    _, then, here = np.intersect1d(before.keys, now.keys, assume_unique=True, return_indices=True)
    pairs, images = np.unique(
        np.stack([before.person[then], now.person[here]], 1), axis=0, return_counts=True
    )
    forth = _largest(pairs[:, 0], pairs[:, 1], images)
    back = _largest(pairs[:, 1], pairs[:, 0], images)
    stayed = {old: new for old, new in forth.items() if back[new] == old}
    split_then, split_now = _splits(before), _splits(now)
    olds, news = set(split_then), set(split_now)
    moved = sum(split_then[old] != split_now[new] for old, new in stayed.items())
    went, came = olds - set(stayed), news - set(stayed.values())
    return {
        "samples": {
            "stayed": len(then),
            "came": len(now.keys) - len(then),
            "went": len(before.keys) - len(then),
            "other split": int((before.split[then] != now.split[here]).sum()),
            "other person": int(
                sum(
                    count
                    for (old, new), count in zip(pairs.tolist(), images.tolist(), strict=True)
                    if stayed.get(old) != new
                )
            ),
        },
        "people": {
            "stayed": len(stayed),
            "with the same id": sum(old == new for old, new in stayed.items()),
            "came": len(came - set(back)),
            "went": len(went - set(forth)),
            "merged": len(went & set(forth)),
            "split": len(came & set(back)),
            "other split": moved,
        },
    }


def _largest(
    of: NDArray[np.int64], to: NDArray[np.int64], images: NDArray[np.int64]
) -> dict[int, int]:
    """To each of `of` the one of `to` with most images; of equal ones the same id or the lowest."""
    order = np.lexsort((-to, of == to, images))
    return dict(zip(of[order].tolist(), to[order].tolist(), strict=True))  # the last one stays


def _splits(samples: LabelledSamples) -> dict[int, bytes]:
    people, first = np.unique(samples.person, return_index=True)
    return dict(zip(people.tolist(), samples.split[first].tolist(), strict=True))
