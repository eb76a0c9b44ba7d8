"""The demo's models behind the libraries that the pipeline uses, as plain functions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from webbody.demo.train_models.offline import offline_ultralytics
from webbody.scratch import scratch_folder
from webbody.skeleton import from_coco17

PERSON_INPUT = 256  # px: the size at which YOLO is trained and, to be accurate, used
PERSON_CONFIDENCE = 0.5
FACE_INPUT = 320  # px: insightface's det_size for one person's upper body
FACE_CONFIDENCE = 0.5

Detector = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def yolo(path: Path, confidence: float = PERSON_CONFIDENCE) -> Detector:
    """image (H, W, 3) BGR -> boxes (N, 4) xyxy px and keypoints (N, 19, 3) px, by ultralytics."""
    with scratch_folder("training") as folder:
        model = offline_ultralytics(Path(folder)).YOLO(str(path), task="pose")

    def predict(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        result = model.predict(image, imgsz=PERSON_INPUT, conf=confidence, verbose=False)[0]
        points = result.keypoints.data.cpu().numpy().reshape(-1, 17, 3)
        return result.boxes.xyxy.cpu().numpy(), from_coco17(points)

    return predict


def insightface(path: Path, confidence: float = FACE_CONFIDENCE) -> Detector:
    """image (H, W, 3) BGR -> boxes (N, 4) xyxy px and landmarks (N, 5, 2) px, by insightface."""
    from insightface.model_zoo import get_model

    model = get_model(str(path), providers=["CPUExecutionProvider"])
    model.prepare(ctx_id=-1, input_size=(FACE_INPUT, FACE_INPUT), det_thresh=confidence)

    def detect(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found, landmarks = model.detect(image)
        return found[:, :4], landmarks

    return detect


def rtmpose(path: Path) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """image (H, W, 3) BGR, boxes (N, 4) xyxy px -> points (N, 19, 3): px, px, confidence in 0..1.

    By the pipeline's own reader, as rtmlib hands on swapped colours and gives no confidence.
    """
    from pipelines.detection.keypoint_detection import KeypointDetector

    detector = KeypointDetector(str(path), None, "cpu", 32, 1)

    def estimate(image: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        rgb = np.ascontiguousarray(image[..., ::-1])
        points, scores = detector([rgb] * len(boxes), list(boxes))
        return np.concatenate([points, scores[..., None]], -1)

    return estimate
