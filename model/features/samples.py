"""Samples of WebDataset shards, decoded a few ahead of who reads them."""

import io
import json
import os
import tarfile
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from typing import IO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps

from webbody.shards import read_members
from webbody.skeleton import COUNT

#: Members that can be a sample's picture.
PICTURES = ("jpg", "jpeg", "png", "webp")
_FORMATS = ("JPEG", "PNG", "WEBP")
#: Pictures with more pixels are not decoded.
MAX_PIXELS = 100_000_000
#: Samples that wait decoded, 0.4 MB each, so that threads have work while a batch is computed.
AHEAD = 128


class BadShard(ValueError):
    """A tar that is damaged, empty, or holds something else than samples."""


@dataclass(frozen=True)
class Sample:
    """A picture of a person to compute a feature of.

    image: (S, S, 3) uint8 RGB; keypoints: (19, 3) float32, x and y as fractions of it, visibility;
    both None where `outcome` tells why the picture cannot be used. source and key say where it is
    from: a shard and its key in it, or a folder and the path in it.
    """

    source: str
    key: str
    image: NDArray[np.uint8] | None = None
    keypoints: NDArray[np.float32] | None = None
    person: int | None = None
    split: str | None = None
    outcome: str | None = None


def read_shard(file: IO[bytes], source: str, size: int) -> Iterator[Sample]:
    """The samples of a tar in its order, pictures padded with white to squares of `size` pixels.

    A sample is `<key>.jpg` (or .png, .webp) and `<key>.json` with `keypoints`, 19 x [x, y,
    visibility] in pixels of the picture, and may have `<key>.cls`, the person's number, and a
    `split` in the JSON. A damaged picture is a sample with an outcome. Raises BadShard for
    whatever else is wrong.
    """
    waiting: deque[Future[Sample]] = deque()
    with ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as pool:
        try:
            for key, members in _grouped(file, source):
                waiting.append(pool.submit(_sample, source, key, members, size))
                if len(waiting) > AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _grouped(file: IO[bytes], source: str) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Key and members by ending of each sample; WebDataset's rule: the first dot ends the key."""
    count = 0
    try:
        for key, members in groupby(read_members(file), lambda member: _split(member[0])[0]):
            count += 1
            yield key, {_split(name)[1]: data for name, data in members}
    except tarfile.TarError as error:
        raise BadShard(f"{source} is damaged or no tar ({error})") from error
    if count == 0:
        raise BadShard(f"{source} holds no samples")


def _split(name: str) -> tuple[str, str]:
    folder, slash, base = name.rpartition("/")
    stem, _, ending = base.partition(".")
    return folder + slash + stem, ending.lower()


def _sample(source: str, key: str, members: Mapping[str, bytes], size: int) -> Sample:
    picture = next((members[ending] for ending in PICTURES if ending in members), None)
    if picture is None or "json" not in members:
        raise BadShard(f"{source}: {key} is no sample: it lacks the .jpg or the .json")
    try:
        described = json.loads(members["json"])
        points = np.array(described["keypoints"], np.float32)
        person = int(members["cls"]) if "cls" in members else None
        split = described.get("split")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadShard(f"{source}: {key} has no keypoints in its .json or no number in .cls") from (
            error
        )
    if points.shape != (COUNT, 3):
        raise BadShard(f"{source}: {key} has keypoints of shape {points.shape}, not ({COUNT}, 3)")
    try:
        image, points = _fitted(picture, points, size)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        outcome = "image:truncated" if "truncated" in str(error) else "image:unreadable"
        return Sample(source, key, None, None, person, split, outcome)
    return Sample(source, key, image, points, person, split)


def _fitted(
    picture: bytes, points: NDArray[np.float32], size: int
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """The picture on a white square, and the keypoints as fractions of that."""
    # Libraries that load beside us switch this global on; then a cut file would turn grey.
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    with Image.open(io.BytesIO(picture), formats=_FORMATS) as image:
        if image.width * image.height > MAX_PIXELS:
            raise ValueError(f"{image.width} x {image.height} pixels are too many")
        rgb = image.convert("RGB")
    longer, sides = max(rgb.size), np.array(rgb.size, np.float32)
    points[:, :2] = np.where(points[:, 2:] > 0, (points[:, :2] - sides / 2) / longer + 0.5, 0)
    if rgb.size != (size, size):
        rgb = ImageOps.pad(rgb, (size, size), Image.Resampling.BILINEAR, color="white")
    return np.asarray(rgb), points
