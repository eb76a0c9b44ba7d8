"""Pictures in units; results of a unit are cached under a name derived from its pictures."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import ClassVar

from model.features.resumable import ExtractionUnit
from pipelines.evaluate.images.subject_cache import SubjectCache
from pipelines.inference.embed import PICTURES
from webbody.images import RGB


class PictureSource(ABC):
    """Pictures of one person each, whose keypoints must be detected."""

    finds: ClassVar[bool] = True

    @property
    @abstractmethod
    def place(self) -> str:
        """Their location, for messages."""

    @property
    @abstractmethod
    def keys(self) -> Sequence[str]:
        """Their names."""

    @abstractmethod
    def state(self, key: str) -> str:
        """A text that changes when the picture changes."""

    @abstractmethod
    def read(self, key: str, max_pixels: int) -> RGB:
        """The pixels of a key; raises ImageError or OSError."""

    def units(self, cache: SubjectCache) -> list[ExtractionUnit]:
        """Units of PICTURES pictures each, with detected or cached subjects."""
        keys = list(self.keys)
        read = partial(self.read, max_pixels=cache.max_pixels)
        found = []
        for start in range(0, len(keys), PICTURES):
            some = keys[start : start + PICTURES]
            name = unit_name(*map(self.state, some))
            samples = partial(cache.samples, name, self.place, some, read)
            found.append(ExtractionUnit(name, samples))
        return found


def unit_name(*described: str) -> str:
    """A file name for a unit: a digest of its pictures' states."""
    return hashlib.blake2b("\n".join(described).encode(), digest_size=10).hexdigest()
