"""RTMDet, YOLOX and RTMO: rtmlib's ONNX files, run photo by photo as in rtmlib.

rtmlib itself returns no scores, so the outputs are decoded here; photos are prepared by the
family's contract, as in rtmlib.
"""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pipelines.detection.detections import Detections
from pipelines.detection.devices import choose_device, onnx_session
from pipelines.detection.overlap import nms
from webbody import model_contracts as contracts
from webbody import models
from webbody.errors import WebbodyError
from webbody.model_contracts import Contract

_GREY = 114  # what the families were trained to see beside a photo
#: The class of persons: COCO's first, and the only one of the models trained on persons alone.
_PERSON = 0
_STRIDES = (8, 16, 32)

#: Boxes (N, 4) xyxy and keypoints (N, 17, 3) in pixels of the input, scores (N,).
_Found = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32] | None]


class RtmlibPersons:
    """A detector of rtmlib; called with photos, it returns the persons of each."""

    def __init__(
        self,
        path: Path,
        contract: Contract,
        confidence: float,
        iou: float,
        image_size: int,
        device: str,
        threads: int,
    ) -> None:
        self.contract, self.confidence, self.iou = contract, confidence, iou
        self._mean, self._std = (
            np.array(values, np.float32) for values in (contract.mean, contract.std)
        )
        with models.loading(path, f"a {contract.family} model"):
            self._session = onnx_session(path, choose_device(device), threads)
            taken = self._session.get_inputs()[0]
            self._input = taken.name
            self._outputs = [output.name for output in self._session.get_outputs()]
            side = -(-image_size // _STRIDES[-1]) * _STRIDES[-1]
            self.sides = [fixed if isinstance(fixed, int) else side for fixed in taken.shape[2:4]]
            outputs = self._run(np.zeros((*self.sides, 3), np.uint8))
        try:
            self._read(outputs)
        except (ValueError, IndexError) as error:
            shapes = ", ".join(
                f"{name} {'x'.join(map(str, output.shape))}"
                for name, output in zip(self._outputs, outputs, strict=True)
            )
            raise WebbodyError(
                f"{path}: is no {contract.family} model as rtmlib fetches them (its outputs are "
                f"{shapes}); choose another file, or the persons.family that it is of."
            ) from error

    def __call__(self, photos: Sequence[NDArray[np.uint8]]) -> list[Detections]:
        """Detect in photos (H, W, 3) uint8 RGB of any size."""
        return [self._photo(photo) for photo in photos]

    def _photo(self, photo: NDArray[np.uint8]) -> Detections:
        image, scale = letterbox(photo, *self.sides)
        boxes, scores, keypoints = self._read(self._run(image))
        kept = np.flatnonzero(scores >= self.confidence)
        kept = kept[nms(boxes[kept], scores[kept], self.iou)]
        points = None if keypoints is None else keypoints[kept]
        height, width = photo.shape[:2]
        return Detections.in_photo(boxes[kept], scores[kept], points, scale, width, height)

    def _run(self, image: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """The outputs for an RGB image (H, W, 3) of the input's size."""
        ordered = image[..., ::-1] if self.contract.colours == "BGR" else image
        batch = ((ordered - self._mean) / self._std).transpose(2, 0, 1)[None]
        outputs: list[NDArray[np.float32]] = self._session.run(
            self._outputs, {self._input: np.ascontiguousarray(batch)}
        )
        return outputs

    def _read(self, outputs: list[NDArray[np.float32]]) -> _Found:
        """Persons from the outputs of one photo; ValueError or IndexError for other layouts."""
        if self.contract is contracts.RTMO:
            boxes, points = outputs
            if boxes.shape[2] != 5 or points.shape[2:] != (17, 3):
                raise ValueError("no boxes with scores and 17 keypoints")
            return boxes[0, :, :4], boxes[0, :, 4], points[0]
        first = outputs[0]
        if first.ndim != 3 or first.shape[2] < 5:
            raise ValueError("no boxes with scores")
        if first.shape[2] == 5:  # suppression is in the file; classes, if any, come beside
            found = first[0]
            if len(outputs) > 1:
                found = found[outputs[1].reshape(-1)[: len(found)] == _PERSON]
            return found[:, :4], found[:, 4], None
        if self.contract is not contracts.YOLOX:
            raise ValueError("no suppression in the file")
        return *self._decoded(first[0]), None

    def _decoded(
        self, cells: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Boxes and scores of YOLOX's grid cells (N, 5 + classes): offsets, sizes, objectness."""
        height, width = self.sides
        places, strides = [], []
        for stride in _STRIDES:
            y, x = np.mgrid[: height // stride, : width // stride]
            places.append(np.stack([x, y], 2).reshape(-1, 2))
            strides.append(np.full(x.size, stride))
        steps = np.concatenate(strides)[:, None].astype(np.float32)
        if len(steps) != len(cells):
            raise ValueError("another grid")
        centre = (cells[:, :2] + np.concatenate(places)) * steps
        half = np.exp(cells[:, 2:4]) * steps / 2
        boxes = np.concatenate([centre - half, centre + half], 1).astype(np.float32)
        return boxes, cells[:, 4] * cells[:, 5 + _PERSON]


def letterbox(
    photo: NDArray[np.uint8], height: int, width: int
) -> tuple[NDArray[np.uint8], tuple[float, float]]:
    """The photo resized into the upper left, padded with grey; and its scales in x and y."""
    ratio = min(height / photo.shape[0], width / photo.shape[1])
    # Rounded down to whole pixels as in rtmlib, but to one at least.
    sides = max(1, int(photo.shape[1] * ratio)), max(1, int(photo.shape[0] * ratio))
    image = np.full((height, width, 3), _GREY, np.uint8)
    image[: sides[1], : sides[0]] = cv2.resize(photo, sides, interpolation=cv2.INTER_LINEAR)
    return image, (sides[0] / photo.shape[1], sides[1] / photo.shape[0])
