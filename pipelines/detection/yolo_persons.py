"""Ultralytics models, trained or exported, on batches of photos."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipelines.detection.detections import Detections
from pipelines.detection.devices import choose_device
from pipelines.detection.ultralytics_files import Export, person_class, ultralytics_export
from webbody import models
from webbody.errors import WebbodyError
from webbody.library_environment import import_ultralytics

_STRIDE = 32  # the network's coarsest grid: sides are multiples of it
_GREY = 114  # what ultralytics pads with
_PATIENCE = 1.5  # seconds; below ultralytics' limit
_MOST = 300  # ultralytics' own limit of detections in a photo


class YoloPersons:
    """A pose or detection model of ultralytics; called with photos, it returns the persons of each.

    Photos are reduced to `image_size` (the longer side), padded to the next multiple of 32 and run
    together with those of the same shape, so that a photo's result does not depend on its batch,
    and a photo that is not square costs what its own area costs. An export of a fixed size sees
    photos at that size. Persons are the class of that name.
    """

    def __init__(
        self,
        path: Path,
        confidence: float,
        iou: float,
        image_size: int,
        device: str,
        batch: int,
        threads: int,
    ) -> None:
        ultralytics = import_ultralytics()
        import torch

        self.confidence, self.iou, self.batch = confidence, iou, batch
        self.device = choose_device(device)
        export = None if path.suffix == ".pt" else ultralytics_export(path)
        with models.loading(path, "a person detector of ultralytics"):
            self.yolo = ultralytics.YOLO(str(path), task=export.task if export else None)
            if export is None:
                layout = getattr(self.yolo.model, "yaml", {}).get("kpt_shape")
                export = Export(self.yolo.task, self.yolo.names, layout)
        if export.fixed:
            image_size, self.batch = max(export.fixed), min(batch, export.batch)
        self.size = -(-image_size // _STRIDE) * _STRIDE
        self._person = person_class(path, export)
        try:
            with models.loading(path, "a person detector of ultralytics"):
                self._predict([np.zeros((self.size, self.size, 3), np.uint8)])
        except ImportError as error:  # of what runs the format, such as TensorRT
            raise WebbodyError(
                f"{path}: {path.suffix} files need {error.name}, which is not installed; install "
                "it, or give the model's .pt or .onnx file."
            ) from error
        # ultralytics changes the threads of this process when it loads a model.
        torch.set_num_threads(threads)

    def __call__(self, photos: Sequence[NDArray[np.uint8]]) -> list[Detections]:
        """Detect in photos (H, W, 3) uint8 RGB of any size."""
        shapes: dict[tuple[int, int], list[int]] = defaultdict(list)
        reduced = [reduce(photo, self.size) for photo in photos]
        for index, (image, _) in enumerate(reduced):
            shapes[image.shape[:2]].append(index)
        found: dict[int, Detections] = {}
        for indices in shapes.values():
            for start in range(0, len(indices), self.batch):
                part = indices[start : start + self.batch]
                results = self._predict([reduced[index][0] for index in part])
                for index, result in zip(part, results, strict=True):
                    height, width = photos[index].shape[:2]
                    found[index] = _in_photo(result, reduced[index][1], width, height)
        return [found[index] for index in range(len(photos))]

    def _predict(self, images: list[NDArray[np.uint8]]) -> list[Any]:
        """ultralytics' results for BGR images of one shape."""
        found: Any = self.yolo.predict(
            images, imgsz=self.size, conf=self.confidence, iou=self.iou, device=self.device,
            classes=[self._person], max_det=_MOST, verbose=False, save=False, rect=True,
        )  # fmt: skip
        results: list[Any] = list(found)
        # ultralytics' NMS stops after 2 s (on a busy or suspended machine) and drops the remaining
        # photos; a single photo is always finished.
        late = len(images) > 1 and results[0].speed["postprocess"] * len(images) > 1000 * _PATIENCE
        return [self._predict([image])[0] for image in images] if late else results


def reduce(photo: NDArray[np.uint8], size: int) -> tuple[NDArray[np.uint8], tuple[float, float]]:
    """The photo as BGR with its longer side at `size`, padded at the right and below.

    Also returns the scales of x and y. Interpolation is that of ultralytics.
    """
    height, width = photo.shape[:2]
    scale = size / max(height, width)
    new_width, new_height = max(1, round(width * scale)), max(1, round(height * scale))
    resized = cv2.resize(photo, (new_width, new_height), interpolation=cv2.INTER_LINEAR)
    padded = (-(-new_height // _STRIDE) * _STRIDE, -(-new_width // _STRIDE) * _STRIDE, 3)
    image = np.full(padded, _GREY, np.uint8)
    image[:new_height, :new_width] = cv2.cvtColor(resized, cv2.COLOR_RGB2BGR)
    return image, (new_width / width, new_height / height)


def _in_photo(result: Any, scale: tuple[float, float], width: int, height: int) -> Detections:
    """Convert an ultralytics result to pixels of the photo."""
    boxes = result.boxes.data.cpu().numpy().astype(np.float32)
    keypoints = None
    if result.keypoints is not None:
        keypoints = result.keypoints.data.cpu().numpy().astype(np.float32)
        keypoints = keypoints.reshape(-1, 17, 3)[: len(boxes)]
    return Detections.in_photo(boxes[:, :4], boxes[:, 4], keypoints, scale, width, height)
