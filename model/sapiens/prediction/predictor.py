"""The predictor: photos of any size in, keypoints, classes, depth or normals of their pixels out.

Shape suffixes: N people of a photo, K keypoints, H W sides of a photo, Y X sides of a map, C
channels.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from model.sapiens.crops import to_photo
from model.sapiens.prediction.fitting import Fit, PhotoPlace
from model.sapiens.prediction.network import MapNetwork
from model.sapiens.prediction.part_maps import largest, parts_together
from model.sapiens.prediction.people import PersonCrop, checked_boxes, person_crops
from model.sapiens.sizes import PATCH
from model.sapiens.task_model import SapiensModel
from model.sapiens.udp import decode
from webbody.errors import WebbodyError

#: A photo, (H, W, 3) uint8 RGB, upright.
Photo = NDArray[np.uint8]
#: Boxes (N, 4) xyxy px of a photo's people; None: the whole photo is one.
Boxes = ArrayLike | None
#: Added to the length of a normal before it divides.
_EPSILON = 1e-5
T = TypeVar("T")


class Predictor:
    """Predictions of a model of one of the four tasks.

    Photos are taken one after the other, and results come in their order as soon as a batch is
    full: a long series needs no more memory than a short one. Results do not depend on what else is
    in a batch, but for the last digits.

    Args:
        model: Of any task; it stays as it is.
        device: Where the network runs.
        dtype: Of the network: torch.float32, torch.bfloat16 or torch.float16. Everything behind it
            is computed in float32.
        flip: Average with the results of the mirrored input (twice the time).
        batch: Inputs in one run of the network; people of several photos share them.
        size: Height and width of inputs, multiples of 16; None: as the model was trained.
        fit: How a whole photo becomes an input: "squeeze", as in training, or "letterbox".
    """

    def __init__(
        self,
        model: SapiensModel,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float32,
        flip: bool = False,
        batch: int = 8,
        size: tuple[int, int] | None = None,
        fit: Fit = "squeeze",
    ) -> None:
        self.size = model.encoder.image_size if size is None else size
        if any(side % PATCH or side <= 0 for side in self.size):
            height, width = self.size
            raise WebbodyError(
                f"An input of {height} x {width} pixels is not possible: give multiples of {PATCH}."
            )
        if batch < 1:
            raise ValueError(f"a batch holds at least one input, not {batch}")
        self.task, self.outputs = model.task.name, model.outputs
        self.network = MapNetwork(model, device, dtype, flip)
        self.batch, self.fit = batch, fit

    def poses(
        self, photos: Iterable[Photo], boxes: Iterable[Boxes] | None = None
    ) -> Iterator[NDArray[np.float32]]:
        """Keypoints (N, K, 3) of each photo: x, y px of the photo, and a score of at least 0.

        A score is the height of the heatmap's peak, about 1 for a sure point; a point that is not
        there is 0, 0, 0. boxes: of each photo's people. Raises WebbodyError for models of other
        tasks, ValueError for boxes as `checked_boxes` does.
        """
        self._check("pose")
        height, width = self.size

        def found(crops: list[PersonCrop]) -> list[NDArray[np.float32]]:
            maps = self.network([crop.image for crop in crops])
            points, scores = decode(maps, (width, height))
            centres, scales = (
                np.stack([getattr(crop, name) for crop in crops]) for name in ("centre", "scale")
            )
            places = to_photo(points.cpu().numpy(), centres, scales, (width, height))
            poses = np.concatenate([places, scores.cpu().numpy()[..., None]], -1)
            poses[poses[..., 2] == 0] = 0
            return list(poses)

        for _, people in self._by_photo(_paired(photos, boxes), found):
            yield np.array(people, np.float32).reshape(-1, self.outputs, 3)

    def parts(
        self, photos: Iterable[Photo], boxes: Iterable[Boxes] | None = None
    ) -> Iterator[NDArray[np.uint8]]:
        """The class (H, W) uint8 of every pixel of each photo.

        boxes: of each photo's people, who are then looked at one by one in crops and put together
        (a photo without any is all background); None: whole photos, as in training. Raises as
        `poses` does.
        """
        self._check("segmentation")
        if boxes is None:
            for place, maps in self._whole(photos):
                yield largest(place.layers(maps))[1].cpu().numpy()
            return

        def found(crops: list[PersonCrop]) -> list[tuple[PersonCrop, Tensor]]:
            return list(zip(crops, self.network([crop.image for crop in crops]), strict=True))

        for photo, people in self._by_photo(_paired(photos, boxes), found):
            yield parts_together(photo, [crop for crop, _ in people], [maps for _, maps in people])

    def depths(
        self, photos: Iterable[Photo], masks: Iterable[NDArray[np.bool_] | None] | None = None
    ) -> Iterator[NDArray[np.float32]]:
        """The depth (H, W) of every pixel of each photo: relative, larger is farther.

        In training the nearest pixel of a person has 0 and the farthest 1; results are not bounded
        and mean nothing outside of people. masks: (H, W) of people; outside, results are NaN.
        Raises WebbodyError for models of other tasks.
        """
        self._check("depth")
        for values in self._masked(photos, masks):
            yield values[..., 0]

    def normals(
        self, photos: Iterable[Photo], masks: Iterable[NDArray[np.bool_] | None] | None = None
    ) -> Iterator[NDArray[np.float32]]:
        """The normal (H, W, 3) of every pixel of each photo, in the camera's space.

        x, y, z of length 1 (0 where the network gives no direction); X runs to the image's right,
        Y and Z as in the training data. masks: as for `depths`.
        """
        self._check("normal")
        for values in self._masked(photos, masks):
            length = np.linalg.norm(values, axis=-1, keepdims=True)
            yield values / (length + _EPSILON)

    def _check(self, task: str) -> None:
        if self.task != task:
            raise WebbodyError(f"This is a Sapiens model for {self.task}, not for {task}.")

    def _masked(
        self, photos: Iterable[Photo], masks: Iterable[NDArray[np.bool_] | None] | None
    ) -> Iterator[NDArray[np.float32]]:
        """All channels (H, W, C) of each photo."""
        kept: deque[NDArray[np.bool_] | None] = deque()

        def remembered() -> Iterator[Photo]:
            for photo, mask in _paired(photos, masks):
                if mask is not None and mask.shape != photo.shape[:2]:
                    raise ValueError(f"a mask of {mask.shape} for a photo of {photo.shape[:2]}")
                kept.append(mask)
                yield photo

        for place, maps in self._whole(remembered()):
            values = torch.stack(list(place.layers(maps)), -1).cpu().numpy()
            if (mask := kept.popleft()) is not None:
                values[~mask] = np.nan
            yield values

    def _whole(self, photos: Iterable[Photo]) -> Iterator[tuple[PhotoPlace, Tensor]]:
        """Where each photo lies in its input, and the input's maps (C, Y, X)."""

        def inputs() -> Iterator[tuple[PhotoPlace, NDArray[np.uint8]]]:
            for photo in photos:
                place = PhotoPlace.of((photo.shape[0], photo.shape[1]), self.size, self.fit)
                yield place, place.input_of(photo)

        for together in _batches(inputs(), self.batch):
            maps = self.network([image for _, image in together])
            yield from zip((place for place, _ in together), maps, strict=True)

    def _by_photo(
        self,
        photos: Iterable[tuple[Photo, Boxes]],
        found: Callable[[list[PersonCrop]], list[T]],
    ) -> Iterator[tuple[tuple[int, int], list[T]]]:
        """Size of each photo, and what is found of its people; batches hold those of several."""
        waiting: deque[tuple[tuple[int, int], int]] = deque()
        ready: list[T] = []

        def people() -> Iterator[PersonCrop]:
            for photo, given in photos:
                boxes_N4 = checked_boxes(photo, given)
                waiting.append(((photo.shape[0], photo.shape[1]), len(boxes_N4)))
                yield from person_crops(photo, boxes_N4, self.size)

        for together in _batches(people(), self.batch):
            ready += found(together)
            while waiting and len(ready) >= waiting[0][1]:
                photo, count = waiting.popleft()
                yield photo, ready[:count]
                ready = ready[count:]
        for photo, _ in waiting:  # photos without people after the last batch
            yield photo, []


def _paired(
    photos: Iterable[Photo], others: Iterable[T] | None
) -> Iterator[tuple[Photo, T | None]]:
    """Each photo with what belongs to it; ValueError where there are not as many."""
    if others is None:
        return ((photo, None) for photo in photos)
    return zip(photos, others, strict=True)


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    source = iter(items)
    while together := list(islice(source, size)):
        yield together
