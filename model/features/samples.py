"""Samples of WebDataset shards, prefetched and decoded."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import IO

import numpy as np
from numpy.typing import NDArray

from model.prefetch import prefetch
from model.shard_samples import Members, describe, read_samples
from webbody.geometry import on_square
from webbody.images import MAX_PIXELS, ImageError, decode, letterbox

#: Decoded samples in the queue, 0.4 MB each.
AHEAD = 128


@dataclass(frozen=True)
class Sample:
    """A picture of a person to compute a feature of.

    image: (S, S, 3) uint8 RGB; keypoints: (19, 3) float32, x and y as fractions of it, visibility;
    both None where `outcome` tells why the picture cannot be used. source and key say where it is
    from: a shard and its key in it, or a folder and the path in it. mirrored: keypoints of the
    mirrored image; None where they are taken to be `keypoints`, mirrored. whole: no person was
    found in the picture, so that all of it was taken. track: that it is a frame of.
    """

    source: str
    key: str
    image: NDArray[np.uint8] | None = None
    keypoints: NDArray[np.float32] | None = None
    person: int | None = None
    split: str | None = None
    outcome: str | None = None
    mirrored: NDArray[np.float32] | None = None
    whole: bool = False
    track: str | None = None


def read_shard(file: IO[bytes], source: str, size: int) -> Iterator[Sample]:
    """The samples of a tar in its order, pictures padded with white to squares of `size` pixels.

    A sample is `<key>.jpg` (or another picture) and `<key>.json` with `keypoints`, 19 x [x, y,
    visibility] in pixels of the picture, and may have `<key>.cls`, the person's number, and `split`
    and `track` in the JSON. A damaged picture is a sample with an outcome. Raises WebbodyError for
    whatever else is wrong.
    """
    with ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as pool:
        members = read_samples(file, source)
        yield from prefetch(pool, lambda one: _sample(one, size), members, AHEAD)


def _sample(members: Members, size: int) -> Sample:
    source, key, found = members.source, members.key, describe(members)
    said = (found.person, found.about.get("split"))
    track = found.about.get("track")
    track = track if isinstance(track, str) else None
    try:
        picture = decode(found.picture, MAX_PIXELS)
    except ImageError as error:
        return Sample(source, key, None, None, *said, error.outcome, track=track)
    height, width = picture.shape[:2]
    points = on_square(found.keypoints, width, height)
    return Sample(source, key, letterbox(picture, size)[0], points, *said, track=track)
