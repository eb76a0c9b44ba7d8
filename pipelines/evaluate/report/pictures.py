"""The encoded pictures of a data set's images, for people to look at."""

from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import fsspec

from model.shard_samples import PICTURES, describe, read_samples
from pipelines.evaluate.images.sources import shard_and_key
from webbody.errors import WebbodyError


def read_pictures(root: str, images: Iterable[str]) -> dict[str, bytes]:
    """Pictures by image; those that cannot be read are left out.

    root: the folder that the images lie in; where it is empty they are `SHARD/KEY`.
    """
    if root:
        return _of_folder(Path(root), images)
    by_shard: dict[str, dict[str, str]] = defaultdict(dict)
    for image in images:
        shard, key = shard_and_key(image)
        by_shard[shard][key] = image
    out: dict[str, bytes] = {}
    for shard, keys in by_shard.items():
        with suppress(OSError, WebbodyError), fsspec.open(shard, "rb") as file:
            for members in read_samples(file, shard):
                if members.key in keys and any(ending in members.data for ending in PICTURES):
                    out[keys[members.key]] = describe(members).picture
    return out


def _of_folder(root: Path, images: Iterable[str]) -> dict[str, bytes]:
    out = {}
    for image in images:
        with suppress(OSError):
            out[image] = (root / image).read_bytes()
    return out
