"""A Sapiens pose model on whole batches of crops: the 19 keypoints of webbody.skeleton."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipelines.detection.devices import choose_device
from webbody import models
from webbody.errors import WebbodyError
from webbody.model_table import KEYPOINTS

#: Files of weights; those of rtmlib are ONNX.
SUFFIXES = (".safetensors", ".pth", ".pt")


class SapiensKeypoints:
    """A Sapiens model of 17, 133 or 308 points; called as KeypointDetector is.

    Its confidence is the height of a heatmap's peak, cut to 0..1: targets in training have a
    height of 1, so that it says how sure the model is of the place, as for the other families.

    input_size: width and height of the network's input in pixels; None: as it was trained.
    Attributes: `count`, the points of the file; `confidence`, where confidences are from.
    """

    def __init__(
        self,
        model: str,
        input_size: tuple[int, int] | None,
        device: str,
        batch: int,
        threads: int,
    ) -> None:
        import torch

        from model.sapiens.prediction import Predictor
        from model.sapiens.saved import load
        from model.sapiens.vocabulary import keypoint_vocabulary

        path = models.resolve(model, KEYPOINTS)
        with models.loading(path, "a pose model of Sapiens"):
            network = load(path, "pose")
        if device != "cuda":
            torch.set_num_threads(threads)
        size = None if input_size is None else (input_size[1], input_size[0])
        try:
            self._predictor = Predictor(network, choose_device(device), batch=batch, size=size)
        except WebbodyError as error:
            raise WebbodyError(f"keypoints.input_size: {error}") from error
        self._vocabulary = keypoint_vocabulary(network.outputs)
        self.count = network.outputs
        self.confidence = f"height of the heatmap's peak, {network.outputs} points"

    def __call__(
        self, crops: Sequence[NDArray[np.uint8]], boxes: Sequence[Sequence[float]]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Points (N, K, 2) in pixels of the crops and confidences (N, K) in 0..1.

        K is 17 in COCO's order for a model of 17 points, else 19 in that of webbody.skeleton.
        crops: (H, W, 3) uint8 RGB of any size; boxes: xyxy of the person in each.
        """
        asked = [np.array([box], np.float32) for box in boxes]
        poses = np.array([pose[0] for pose in self._predictor.poses(crops, asked)], np.float32)
        poses = poses.reshape(-1, self.count, 3)
        if self.count != 17:
            poses = self._vocabulary.to_skeleton(poses)
        return poses[..., :2].copy(), poses[..., 2].clip(0, 1)
