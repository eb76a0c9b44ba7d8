"""Duplicate pictures of a person."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.identity.features import Floats, unit
from pipelines.identity.perceptual_hash import bits_apart

BLOCK = 2048
#: How much less alike faces may be for each bit that the hashes of their pictures are nearer. Of
#: 789 pairs of other photos of one person (LFW, with SCRFD and a MobileFaceNet) the nearest at 8,
#: 10, 12 and 14 bits lie 0.08, 0.13, 0.06 and 0.04 below the line from 0.9 at 14 bits.
SLOPE = 0.02


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
    cropped: int = -1,
    block: int = BLOCK,
) -> Duplicates:
    """Faces of one person (N, D), in the order in which they may stay, that repeat a kept one.

    A face goes when its cosine to an earlier face that stays is above `threshold`, or when the
    perceptual hashes (N,) of their pictures differ in no more than `near` bits (-1: never), or when
    both nearly hold, as of pictures whose margins were cut off: of hashes that differ in fewer bits
    than `cropped`, each bit fewer stands for 0.02 of the cosine. It is said to repeat the first
    such face. `images` (N,) are digests of the pictures: of faces from equal bytes only the first
    can stay, whatever the threshold.
    """
    faces = unit(features)
    of = np.full(len(faces), -1, np.int64)
    cosine = np.full(len(faces), np.nan, np.float32)
    _, first_with = np.unique(images, return_index=True)
    earlier = first_with[np.unique(images, return_inverse=True)[1]]
    kept = np.zeros(0, np.int64)

    def alike(a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.bool_]:
        cosines, bits = faces[a] @ faces[b].T, bits_apart(hashes[a], hashes[b])
        nearer = np.maximum(cropped - bits.astype(np.float32), 0)
        return (cosines > threshold - SLOPE * nearer) | (bits <= near)

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
