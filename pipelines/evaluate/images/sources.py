"""Image sources of data sets: keys, states and pixels of the images."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import fsspec
import numpy as np
from numpy.typing import NDArray

from model.features.resumable import ExtractionUnit
from model.features.samples import Sample, read_shard
from pipelines.evaluate.images.aligned import aligned, need_alignment
from pipelines.evaluate.images.subject_cache import SubjectCache
from pipelines.evaluate.images.units import PictureSource, unit_name
from webbody.folder_walk import state_of
from webbody.images import RGB, decode
from webbody.storage import Folder


class ImageSource(Protocol):
    """The images of a data set. finds: whether keypoints must be detected."""

    @property
    def finds(self) -> bool: ...
    def units(self, cache: SubjectCache) -> list[ExtractionUnit]:
        """The images as units, whose features are computed and cached one by one."""
        ...


@dataclass(frozen=True)
class FolderImages(PictureSource):
    """Images below a folder, by path."""

    root: str
    paths: Sequence[str]

    @property
    def place(self) -> str:
        return self.root

    @property
    def keys(self) -> Sequence[str]:
        return self.paths

    def state(self, key: str) -> str:
        folder = Folder(self.root)
        return f"{folder.url}/{key} {state_of(folder.fs.info(folder.path(key)))}"

    def read(self, key: str, max_pixels: int) -> RGB:
        return decode(Folder(self.root).read(key), max_pixels)


@dataclass(frozen=True)
class AlignedFaces(PictureSource):
    """Faces of images below a folder, aligned by landmarks (5, 2) in each image's pixels."""

    images: FolderImages
    landmarks: Mapping[str, NDArray[np.float32]]

    @property
    def place(self) -> str:
        return self.images.place

    @property
    def keys(self) -> Sequence[str]:
        return self.images.keys

    def state(self, key: str) -> str:
        return f"{self.images.state(key)} {self.landmarks[key].tobytes().hex()}"

    def units(self, cache: SubjectCache) -> list[ExtractionUnit]:
        """As of every source; raises WebbodyError where a library is missing."""
        need_alignment()
        return super().units(cache)

    def read(self, key: str, max_pixels: int) -> RGB:
        return aligned(self.images.read(key, max_pixels), self.landmarks[key])


@dataclass(frozen=True)
class EncodedImages(PictureSource):
    """Encoded images of one file; an image's key is its number."""

    file: str
    images: Sequence[bytes]

    @property
    def place(self) -> str:
        return self.file

    @property
    def keys(self) -> Sequence[str]:
        return [str(number) for number in range(len(self.images))]

    def state(self, key: str) -> str:
        return hashlib.blake2b(self.images[int(key)]).hexdigest()

    def read(self, key: str, max_pixels: int) -> RGB:
        return decode(self.images[int(key)], max_pixels)


@dataclass(frozen=True)
class ShardSamples:
    """Samples `SHARD/KEY` of shards, which include keypoints; other samples are skipped."""

    keys: Sequence[str]
    finds = False

    def units(self, cache: SubjectCache) -> list[ExtractionUnit]:
        """A unit for each shard; only the image size of the cache is used."""
        by_shard: dict[str, list[str]] = defaultdict(list)
        for image in self.keys:
            shard, key = shard_and_key(image)
            by_shard[shard].append(key)
        found = []
        for shard, keys in by_shard.items():
            fs, place = fsspec.core.url_to_fs(shard)
            name = unit_name(shard, state_of(fs.info(place)), *keys)
            read = partial(_of_shard, shard, frozenset(keys), cache.size)
            found.append(ExtractionUnit(name, read))
        return found


def shard_and_key(image: str) -> tuple[str, str]:
    """The two parts of `SHARD/KEY`: a key may have slashes, a shard's name ends with .tar."""
    shard, ending, key = image.rpartition(".tar/")
    return shard + ending[:-1], key


def _of_shard(shard: str, keys: frozenset[str], size: int) -> Iterator[Sample]:
    with fsspec.open(shard, "rb") as file:
        for sample in read_shard(file, shard, size):
            if sample.key in keys:
                yield replace(sample, key=f"{shard}/{sample.key}")
