"""What a run is trained on: samples by number, each a function of its number and its seed."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]


class TrainingSamples(Protocol):
    """Samples of one data set, or of several one after the other; it goes to loader processes."""

    def __len__(self) -> int: ...

    @property
    def digest(self) -> str:
        """Equal for equal data."""

    def name(self, index: int) -> str:
        """What a sample is called in messages."""

    def sample(self, index: int, rng: np.random.Generator) -> Arrays:
        """A sample's arrays by name, all of one shape whatever the sample; `rng` augments it.

        Raises OSError, ValueError, webbody.images.ImageError or WebbodyError where it cannot be
        read.
        """
