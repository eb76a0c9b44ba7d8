"""The persons of photos, by a detector of any family that the table knows."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pipelines.detection import families
from pipelines.detection.detections import Detections
from pipelines.detection.rtmlib_persons import RtmlibPersons
from pipelines.detection.yolo_persons import YoloPersons
from webbody import models
from webbody.model_table import PERSONS


class _Library(Protocol):
    def __call__(self, photos: Sequence[NDArray[np.uint8]]) -> list[Detections]: ...


class PersonDetector:
    """A person detector; called with photos, it returns the persons of each.

    model: a name of the table, or a file: of ultralytics (.pt and what it exports) or of rtmlib
    (RTMDet, YOLOX, RTMO). family: of an ONNX file that does not tell it. confidence: persons with a
    lower score are not reported; None: the family's own threshold. iou: of two boxes with more
    overlap one is dropped. image_size: longer side in pixels at which a photo is seen, where the
    file takes any. batch: photos in one run, where the file takes several.
    """

    def __init__(
        self,
        model: str,
        confidence: float | None,
        iou: float,
        image_size: int,
        device: str,
        batch: int,
        threads: int,
        family: str | None = None,
    ) -> None:
        self.contract = families.person_detector(model, family)
        self.confidence = families.threshold(self.contract, confidence, "persons.confidence")
        path = models.resolve(model, PERSONS)
        self._library: _Library
        if self.contract.family.startswith("yolo-"):
            self._library = YoloPersons(
                path, self.confidence, iou, image_size, device, batch, threads
            )
        else:
            self._library = RtmlibPersons(
                path, self.contract, self.confidence, iou, image_size, device, threads
            )

    def __call__(self, photos: Sequence[NDArray[np.uint8]]) -> list[Detections]:
        """Detect in photos (H, W, 3) uint8 RGB of any size."""
        return self._library(photos)
