"""rtmlib's RTMPose and RTMW models on whole batches of crops.

rtmlib's own call takes one box at a time; its preprocessing and decoding are used as they are, its
session is run on a batch.
"""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipelines.vision.devices import choose_device, onnx_session
from webbody import models
from webbody.errors import WebbodyError
from webbody.model_table import KEYPOINTS
from webbody.quiet import quiet_libraries

#: Numbers of keypoints that can be read: COCO's body and COCO-WholeBody.
LAYOUTS = (17, 133)


class KeypointDetector:
    """A SimCC model of rtmlib; called with crops and boxes, it returns points and scores.

    input_size: width and height of the model's input in pixels. `count` is the number of points.
    """

    def __init__(
        self, model: str, input_size: tuple[int, int], device: str, batch: int, threads: int
    ) -> None:
        quiet_libraries()
        from rtmlib import RTMPose

        path = models.resolve(model, KEYPOINTS)
        device = choose_device(device)
        with models.loading(path, "a keypoint model of rtmlib"):
            self.library = RTMPose(str(path), model_input_size=tuple(input_size), device="cpu")
            # rtmlib has no setting for threads, so it gets a session that has.
            self.library.session = onnx_session(path, device, threads)
        session = self.library.session
        # Whole batches are normalised here at once, in single precision.
        self._mean = np.array(self.library.mean, np.float32).reshape(3, 1, 1)
        self._scale = 1 / np.array(self.library.std, np.float32).reshape(3, 1, 1)
        self.library.mean = None
        shape = session.get_inputs()[0].shape
        self._names = session.get_inputs()[0].name, [out.name for out in session.get_outputs()]
        if len(self._names[1]) != 2:
            raise WebbodyError(
                f"{path}: has {len(self._names[1])} outputs, not the two of a SimCC keypoint "
                "model; choose an RTMPose or RTMW file."
            )
        sides = (shape[3], shape[2])
        if all(isinstance(side, int) for side in sides) and sides != tuple(input_size):
            raise WebbodyError(
                f"{path}: takes {sides[0]} x {sides[1]} px; set keypoints.input_size to "
                f"[{sides[0]}, {sides[1]}]."
            )
        # A file exported for one crop a run gets one crop a run.
        self.batch = 1 if isinstance(shape[0], int) else batch
        with models.loading(path, "a keypoint model of rtmlib"):
            blank = np.zeros((self.batch, 3, input_size[1], input_size[0]), np.float32)
            self.count = self._run(blank)[0].shape[1]
        if self.count not in LAYOUTS:
            raise WebbodyError(
                f"{path}: gives {self.count} keypoints; choose a model with COCO's 17 or "
                "COCO-WholeBody's 133."
            )

    def __call__(
        self, crops: Sequence[NDArray[np.uint8]], boxes: Sequence[Sequence[float]]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Points (N, K, 2) in pixels of the crops and scores (N, K), K being 17 or 133.

        crops: (H, W, 3) uint8 RGB of any size; boxes: xyxy of the person in each.
        """
        points, scores = [], []
        for start in range(0, len(crops), self.batch):
            part = slice(start, start + self.batch)
            found = self._part(crops[part], boxes[part])
            points.append(found[0])
            scores.append(found[1])
        if not points:
            return np.zeros((0, 17, 2), np.float32), np.zeros((0, 17), np.float32)
        return np.concatenate(points).astype(np.float32), np.concatenate(scores).astype(np.float32)

    def _part(
        self, crops: Sequence[NDArray[np.uint8]], boxes: Sequence[Sequence[float]]
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        prepared = [
            self.library.preprocess(crop, list(box)) for crop, box in zip(crops, boxes, strict=True)
        ]
        # rtmlib is given BGR pictures by its users, and normalises them in this order of channels.
        pixels = np.stack([cv2.cvtColor(image, cv2.COLOR_RGB2BGR) for image, _, _ in prepared])
        batch = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2), dtype=np.float32)
        batch -= self._mean
        batch *= self._scale
        centres = np.stack([centre for _, centre, _ in prepared])[:, None]
        scales = np.stack([scale for _, _, scale in prepared])[:, None]
        return self.library.postprocess(self._run(batch), centres, scales)

    def _run(self, batch: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        return self.library.session.run(self._names[1], {self._names[0]: batch})
