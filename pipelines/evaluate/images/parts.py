"""The images of data sets as parts whose features are made and kept one after the other."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import fsspec

from model.features.resumable import ExtractionUnit
from model.features.samples import Sample, read_shard
from pipelines.evaluate.images.subject_cache import SubjectCache
from pipelines.inference.embed import PICTURES
from webbody.folder_walk import state_of
from webbody.images import RGB, decode
from webbody.storage import Folder


def of_folder(root: str, images: Sequence[str], finding: SubjectCache) -> list[ExtractionUnit]:
    """Images below a folder; each shows one person, whose keypoints are found."""
    folder = Folder(root)

    def picture(image: str) -> RGB:
        return decode(folder.read(image), finding.max_pixels)

    return of_pictures(root, images, partial(file_state, folder), picture, finding)


def of_pairs(path: str, images: Sequence[bytes], finding: SubjectCache) -> list[ExtractionUnit]:
    """Encoded images of a file; an image's key is its number."""
    keys = [str(number) for number in range(len(images))]

    def state(key: str) -> str:
        return hashlib.blake2b(images[int(key)]).hexdigest()

    def picture(key: str) -> RGB:
        return decode(images[int(key)], finding.max_pixels)

    return of_pictures(path, keys, state, picture, finding)


def of_pictures(
    source: str,
    keys: Sequence[str],
    state: Callable[[str], str],
    picture: Callable[[str], RGB],
    finding: SubjectCache,
) -> list[ExtractionUnit]:
    """Pictures of people by key; `state` tells what a key's picture is made of."""
    parts = []
    for some in _runs(keys):
        name = _name(*map(state, some))
        parts.append(ExtractionUnit(name, partial(finding.samples, name, source, some, picture)))
    return parts


def file_state(folder: Folder, image: str) -> str:
    """What tells a file from others, and from what it was before."""
    return f"{folder.url}/{image} {state_of(folder.fs.info(folder.path(image)))}"


def of_shards(images: Sequence[str], size: int) -> list[ExtractionUnit]:
    """Samples `SHARD/KEY`, which bring their keypoints; other samples of the shards are left out.

    size: side of the model's images in pixels.
    """
    keys: dict[str, list[str]] = defaultdict(list)
    for image in images:
        shard, key = shard_and_key(image)
        keys[shard].append(key)
    parts = []
    for shard, wanted in keys.items():
        fs, place = fsspec.core.url_to_fs(shard)
        name = _name(shard, state_of(fs.info(place)), *wanted)
        parts.append(ExtractionUnit(name, partial(_of_shard, shard, frozenset(wanted), size)))
    return parts


def shard_and_key(image: str) -> tuple[str, str]:
    """The two parts of `SHARD/KEY`: a key may have slashes, a shard's name ends with .tar."""
    shard, ending, key = image.rpartition(".tar/")
    return shard + ending[:-1], key


def _of_shard(shard: str, wanted: frozenset[str], size: int) -> Iterator[Sample]:
    with fsspec.open(shard, "rb") as file:
        for sample in read_shard(file, shard, size):
            if sample.key in wanted:
                yield replace(sample, key=f"{shard}/{sample.key}")


def _runs(keys: Sequence[str]) -> Iterator[list[str]]:
    for start in range(0, len(keys), PICTURES):
        yield list(keys[start : start + PICTURES])


def _name(*described: str) -> str:
    """A file name for a part: a digest of what it is made of."""
    return hashlib.blake2b("\n".join(described).encode(), digest_size=10).hexdigest()
