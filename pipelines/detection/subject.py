"""The subject of a picture as a model takes it, and functions that find it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from webbody.images import RGB, letterbox
from webbody.skeleton import COUNT


@dataclass(frozen=True)
class Subject:
    """The person whom a photo shows.

    image: (S, S, 3) uint8 RGB, the person's crop on white. keypoints: (19, 3) float32, x and y as
    fractions of `image`, visibility 0 or 1. box: (4,) xyxy in pixels of the photo; None where no
    person was found, so that `image` is the whole photo. mirrored: keypoints that were found in the
    mirrored crop, as fractions of the mirrored `image`; None where they were not looked for.
    """

    image: RGB
    keypoints: NDArray[np.float32]
    box: NDArray[np.float32] | None
    mirrored: NDArray[np.float32] | None = None


#: Finds the subject of each photo (H, W, 3) uint8 RGB of any size, in their order.
Find = Callable[[Sequence[RGB]], list[Subject]]
#: Creates a Find on first use, as loading its models takes seconds.
Finder = Callable[[], Find]


def whole_pictures(size: int) -> Finder:
    """A Find that takes each photo whole, on a white square of `size` pixels, without keypoints.

    For models that use none; it loads nothing.
    """
    absent = np.zeros((COUNT, 3), np.float32)

    def find(photos: Sequence[RGB]) -> list[Subject]:
        return [Subject(letterbox(photo, size)[0], absent, None) for photo in photos]

    return lambda: find
