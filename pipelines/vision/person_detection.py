"""YOLOv8-pose by ultralytics on whole batches of photos."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipelines.vision.devices import choose_device
from webbody import models
from webbody.errors import WebbodyError
from webbody.model_table import PERSONS
from webbody.quiet import import_ultralytics

_STRIDE = 32  # the network's coarsest grid: sides are multiples of it
_GREY = 114  # what ultralytics pads with
_PATIENCE = 1.5  # seconds; below ultralytics' limit
_MOST = 300  # ultralytics' own limit of detections in a photo


@dataclass
class Detections:
    """The persons of one photo, in pixels of the photo.

    boxes (N, 4) xyxy inside the photo, scores (N,), keypoints (N, 17, 3) x, y, score in COCO's
    order; all float32.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    keypoints: NDArray[np.float32]


class PersonDetector:
    """An ultralytics pose model; called with photos, it returns the persons of each.

    Photos are reduced to `image_size` (the longer side), padded to the next multiple of 32 and run
    together with those of the same shape, so that a photo's result does not depend on its batch,
    and a photo that is not square costs what its own area costs.
    """

    def __init__(
        self,
        model: str,
        confidence: float,
        iou: float,
        image_size: int,
        device: str,
        batch: int,
        threads: int,
    ) -> None:
        ultralytics = import_ultralytics()
        import torch

        self.size = -(-image_size // _STRIDE) * _STRIDE
        self.confidence, self.iou, self.batch = confidence, iou, batch
        self.device = choose_device(device)
        path = models.resolve(model, PERSONS)
        with models.loading(path, "an ultralytics pose model"):
            self.yolo = ultralytics.YOLO(str(path), task="pose")
            layout = tuple(getattr(self.yolo.model, "yaml", {}).get("kpt_shape") or ())
        if layout != (17, 3):
            raise WebbodyError(
                f"{path}: its keypoints are {layout}, not COCO's (17, 3); choose a pose model for "
                "persons, such as yolov8n-pose.pt."
            )
        with models.loading(path, "an ultralytics pose model"):
            self._predict([np.zeros((self.size, self.size, 3), np.uint8)])
        # ultralytics sets the threads of this process when it loads a model.
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
            classes=[0], max_det=_MOST, verbose=False, save=False, rect=True,
        )  # fmt: skip
        results: list[Any] = list(found)
        # After 2 s in its suppression of double boxes (a busy or suspended machine) ultralytics
        # forgets the photos that are still to come; a single photo is always finished.
        late = len(images) > 1 and results[0].speed["postprocess"] * len(images) > 1000 * _PATIENCE
        return [self._predict([image])[0] for image in images] if late else results


def reduce(photo: NDArray[np.uint8], size: int) -> tuple[NDArray[np.uint8], tuple[float, float]]:
    """The photo as BGR with its longer side at `size`, padded at the right and below.

    Also returns by how much x and y were scaled. Interpolation is that of ultralytics.
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
    """An ultralytics result in the pixels of the photo, clipped to it."""
    boxes = result.boxes.data.cpu().numpy().astype(np.float32)
    keypoints = result.keypoints.data.cpu().numpy().astype(np.float32).reshape(-1, 17, 3).copy()
    corners = boxes[:, :4] / np.array([*scale, *scale], np.float32)
    corners = np.clip(corners, 0, np.array([width, height, width, height], np.float32))
    keypoints[..., :2] /= np.array(scale, np.float32)
    return Detections(corners, boxes[:, 4], keypoints[: len(boxes)])
