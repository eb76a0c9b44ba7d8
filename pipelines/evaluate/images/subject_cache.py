"""A cache of detected keypoints, shared by all models of an image size."""

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from model.features.samples import Sample
from pipelines.detection.subject import Finder, Subject
from pipelines.inference.pictures import find_subjects
from webbody.images import RGB, letterbox
from webbody.storage import Folder


@dataclass(frozen=True)
class SubjectCache:
    """finder: detects subjects that are not cached.

    size: side of a sample's image in pixels. max_pixels: of a picture. kept: cache folder of a
    finder's settings and an image size; None caches nothing.
    """

    finder: Finder
    size: int
    max_pixels: int
    kept: Folder | None = None

    def samples(
        self, part: str, source: str, keys: Sequence[str], picture: Callable[[str], RGB]
    ) -> Iterator[Sample]:
        """`find_subjects` through the cache; the name `part` depends on the part's pictures."""
        if self.kept is None:
            return find_subjects(source, keys, picture, self.finder)
        if self.kept.size(_file(part)) is None:
            return self._found(part, source, keys, picture, self.kept)
        rows = iter(np.load(io.BytesIO(self.kept.read(_file(part)))))
        return find_subjects(source, keys, picture, lambda: partial(_again, rows, self.size))

    def _found(
        self,
        part: str,
        source: str,
        keys: Sequence[str],
        picture: Callable[[str], RGB],
        kept: Folder,
    ) -> Iterator[Sample]:
        rows = []
        for sample in find_subjects(source, keys, picture, self.finder):
            if sample.outcome is None:
                rows.append([sample.keypoints, sample.mirrored])
            yield sample
        file = io.BytesIO()
        np.save(file, np.array(rows, np.float32))
        kept.write_bytes(_file(part), file.getvalue())


def _file(part: str) -> str:
    return f"{part}.npy"


def _again(rows: Iterator[NDArray[np.float32]], size: int, photos: Sequence[RGB]) -> list[Subject]:
    """The subjects of the next photos from cached rows: keypoints, also of the mirror image."""
    known = zip(photos, islice(rows, len(photos)), strict=True)
    return [Subject(letterbox(photo, size)[0], here, None, there) for photo, (here, there) in known]
