"""What can be evaluated, and its predictions beside the samples that they are of."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from model.prefetch import prefetch
from model.sapiens.data import DepthSample, NormalSample, PartSample
from model.sapiens.prediction.predictor import Boxes, Photo

#: Pictures are decoded by so many threads, and so many ahead.
THREADS, AHEAD = 4, 8
S = TypeVar("S", PartSample, DepthSample, NormalSample)
S_co = TypeVar("S_co", covariant=True)


class TaskPredictor(Protocol):
    """A `Predictor`, or a baseline; each is asked for its own task alone.

    outputs: keypoints or classes. size: height and width of its inputs, whose proportions the boxes
    of people are extended to.
    """

    task: str
    outputs: int
    size: tuple[int, int]

    def poses(
        self, photos: Iterable[Photo], boxes: Iterable[Boxes]
    ) -> Iterator[NDArray[np.float32]]:
        """See `Predictor.poses`."""

    def parts(self, photos: Iterable[Photo]) -> Iterator[NDArray[np.uint8]]:
        """See `Predictor.parts`."""

    def depths(self, photos: Iterable[Photo]) -> Iterator[NDArray[np.float32]]:
        """See `Predictor.depths`."""

    def normals(self, photos: Iterable[Photo]) -> Iterator[NDArray[np.float32]]:
        """See `Predictor.normals`."""


class SamplesByIndex(Protocol[S_co]):
    """Samples by index, each decoded when it is asked for."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> S_co: ...


def samples(data: SamplesByIndex[S], most: int | None) -> Iterator[S]:
    """The samples in their order, decoded ahead by threads; `most`: only the first so many."""
    with ThreadPoolExecutor(THREADS) as pool:
        yield from prefetch(pool, data.__getitem__, range(count(data, most)), AHEAD)


def count(data: SamplesByIndex[Any], most: int | None) -> int:
    """How many samples are looked at."""
    return len(data) if most is None else min(most, len(data))


def predicted(
    looked_at: Iterable[S], predict: Callable[[Iterator[Photo]], Iterator[NDArray[Any]]]
) -> Iterator[tuple[S, NDArray[Any]]]:
    """Each sample with what is predicted for its picture."""
    waiting: deque[S] = deque()

    def photos() -> Iterator[Photo]:
        for sample in looked_at:
            waiting.append(sample)
            yield sample.image

    for found in predict(photos()):
        yield waiting.popleft(), found
