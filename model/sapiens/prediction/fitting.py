"""A whole photo as a network's input, and the input's maps as maps of the photo.

Shape suffixes: H W sides, C channels.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from model.sapiens.augmentation.placing import squeezed
from model.sapiens.encoder import MEAN
from model.sapiens.losses.parts import resized

#: The photo squeezed to the input's sides, as the models were trained, or kept in its proportions
#: with margins of the mean colour.
Fit = Literal["squeeze", "letterbox"]


@dataclass(frozen=True)
class PhotoPlace:
    """Where a photo lies in an input. photo, size: (height, width) of the photo and the input.

    top, left, height, width: pixels of the input that show the photo.
    """

    photo: tuple[int, int]
    size: tuple[int, int]
    top: int
    left: int
    height: int
    width: int

    @classmethod
    def of(cls, photo: tuple[int, int], size: tuple[int, int], fit: Fit) -> "PhotoPlace":
        """The place of a photo of some size; a side has at least one pixel."""
        if fit == "squeeze":
            return cls(photo, size, 0, 0, *size)
        scale = min(size[0] / photo[0], size[1] / photo[1])
        height, width = (
            min(most, max(1, round(side * scale))) for side, most in zip(photo, size, strict=True)
        )
        return cls(photo, size, (size[0] - height) // 2, (size[1] - width) // 2, height, width)

    def input_of(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The photo (H, W, 3) as the input; bilinear without antialiasing, as in training."""
        small = squeezed(image, (self.width, self.height))
        if (self.height, self.width) == self.size:
            return small
        out = np.empty((*self.size, 3), np.uint8)
        out[:] = np.round(MEAN)
        inside = (slice(self.top, self.top + self.height), slice(self.left, self.left + self.width))
        out[inside] = small
        return out

    def layers(self, maps_CHW: Tensor) -> Iterator[Tensor]:
        """Each channel of an input's maps as a map (H, W) of the photo.

        Bilinear in two steps, first to the sides of the input, as the reference does; one step
        gives other numbers. Channel by channel, as all of them may not fit into memory.
        """
        for channel_HW in maps_CHW.float():
            map_11HW = resized(channel_HW[None, None], self.size)
            map_11HW = map_11HW[
                ..., self.top : self.top + self.height, self.left : self.left + self.width
            ]
            yield resized(map_11HW, self.photo)[0, 0]
