"""Duplicate pictures of a person."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.identity.features import Floats, unit
from pipelines.identity.perceptual_hash import bits_apart

BLOCK = 2048


@dataclass(frozen=True)
class Duplicates:
    """For each face (N,) the earlier face it duplicates, or -1, and their cosine, or NaN."""

    of: NDArray[np.int64]
    cosine: Floats


def find(
    features: Floats,
    images: NDArray[Any],
    hashes: NDArray[np.int64],
    *,
    threshold: float,
    near: int,
    block: int = BLOCK,
) -> Duplicates:
    """Faces of one person (N, D), in the order in which they may stay, that repeat a kept one.

    A face goes when its cosine to an earlier face that stays is above `threshold`, or when the
    perceptual hashes (N,) of their pictures differ in no more than `near` bits (-1: never); it is
    said to repeat the first such face. `images` (N,) are digests of the pictures: of faces from
    equal bytes only the first can stay, whatever the threshold.
    """
    faces = unit(features)
    of = np.full(len(faces), -1, np.int64)
    cosine = np.full(len(faces), np.nan, np.float32)
    _, first_with = np.unique(images, return_index=True)
    earlier = first_with[np.unique(images, return_inverse=True)[1]]
    kept = np.zeros(0, np.int64)

    def alike(a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.bool_]:
        return (faces[a] @ faces[b].T > threshold) | (bits_apart(hashes[a], hashes[b]) <= near)

    for start in range(0, len(faces), block):
        rows = np.arange(start, min(start + block, len(faces)))
        seen = alike(rows, kept)
        within = np.tril(alike(rows, rows), -1)
        doubtful = (earlier[rows] < rows) | seen.any(1) | within.any(1)
        stays = ~doubtful
        for index in np.flatnonzero(doubtful):
            row = rows[index]
            if earlier[row] < row:
                first = int(earlier[row])
                of[row] = of[first] if of[first] >= 0 else first
            elif seen[index].any():
                of[row] = kept[seen[index].argmax()]
            elif (repeats := within[index] & stays).any():
                of[row] = rows[repeats.argmax()]
            else:
                stays[index] = True
        kept = np.concatenate([kept, rows[stays]])
    repeated = np.flatnonzero(of >= 0)
    cosine[repeated] = (faces[repeated] * faces[of[repeated]]).sum(1)
    return Duplicates(of, cosine)
