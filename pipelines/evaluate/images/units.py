"""Pictures by key in units: what is made of a unit is kept under a name that tells its pictures."""

import hashlib
from collections.abc import Sequence
from functools import partial
from typing import Protocol

from model.features.resumable import ExtractionUnit
from pipelines.evaluate.images.subject_cache import SubjectCache
from pipelines.inference.embed import PICTURES
from webbody.images import RGB


class Pictures(Protocol):
    """Pictures of one person each. name: of all of them, as messages give it."""

    @property
    def name(self) -> str: ...
    @property
    def keys(self) -> Sequence[str]: ...
    def state(self, key: str) -> str:
        """What a key's picture is made of: another text for other pixels."""
        ...

    def read(self, key: str, max_pixels: int) -> RGB:
        """The pixels of a key; raises ImageError or OSError."""
        ...


def units_of_pictures(pictures: Pictures, cache: SubjectCache) -> list[ExtractionUnit]:
    """Units of PICTURES pictures each; the people in them are found, or known to the cache."""
    keys = list(pictures.keys)
    read = partial(_read, pictures, cache.max_pixels)
    found = []
    for start in range(0, len(keys), PICTURES):
        some = keys[start : start + PICTURES]
        name = unit_name(*map(pictures.state, some))
        found.append(ExtractionUnit(name, partial(cache.samples, name, pictures.name, some, read)))
    return found


def unit_name(*described: str) -> str:
    """A file name for a unit: a digest of what it is made of."""
    return hashlib.blake2b("\n".join(described).encode(), digest_size=10).hexdigest()


def _read(pictures: Pictures, max_pixels: int, key: str) -> RGB:
    return pictures.read(key, max_pixels)
