"""Face detection in many small pictures at once, tiled on one canvas.

Published files take one picture a run, of a size that is large for the head
of one person. So several pictures share a canvas: a grid of equal tiles, one picture each, with a
margin that keeps a face of one tile from touching the next.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipelines.detection import families
from pipelines.detection.devices import choose_device, onnx_options, onnx_providers
from pipelines.detection.face_networks import RetinaFaceR50, YuNet
from webbody import model_contracts as contracts
from webbody import models
from webbody.library_environment import quiet_libraries
from webbody.model_table import FACE_DETECTOR

_DIVISIONS = (4, 2, 1)  # tiles along a side of the canvas
_LEAST_TILE = 160  # pixels; smaller tiles are too coarse for landmarks
_MARGIN = 8  # black pixels at the right and below each picture: the network's finest grid
_NMS = 0.4  # overlap above which the weaker of two boxes is dropped; insightface's default


@dataclass
class DetectedFaces:
    """The faces of one picture, in its pixels: boxes (N, 4) xyxy, scores (N,), landmarks (N, 5, 2).

    Landmarks in the order image-left eye, image-right eye, nose, mouth corners likewise.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    landmarks: NDArray[np.float32]


class FaceDetector:
    """A face detector of any family; called with pictures, it returns the faces of each.

    size: side in pixels of the canvas, a multiple of 32 (a file with a fixed input keeps its own).
    floor: faces with a lower score are not reported.
    """

    def __init__(self, model: str, size: int, floor: float, device: str, threads: int) -> None:
        contract = families.face_detector(model)
        device = choose_device(device)
        path = models.resolve(model, FACE_DETECTOR)
        with models.loading(path, "a face detector"):
            self.library: Any
            if contract is contracts.SCRFD:
                self.library = _insightface(path, device, threads)
            else:
                network = YuNet if contract is contracts.YUNET else RetinaFaceR50
                self.library = network(path, contract, floor, _NMS, device, threads)
        side = -(-size // 32) * 32
        fixed = self.library.static_input_size
        self.canvas: tuple[int, int] = tuple(fixed) if fixed else (side, side)
        if contract is contracts.SCRFD:
            context = 0 if device == "cuda" else -1
            self.library.prepare(context, input_size=self.canvas, det_thresh=floor, nms_thresh=_NMS)
        with models.loading(path, "a face detector"):
            self.library.detect(np.zeros((self.canvas[1], self.canvas[0], 3), np.uint8))

    def __call__(
        self, pictures: Sequence[NDArray[np.uint8]], large: Sequence[bool] | None = None
    ) -> list[DetectedFaces]:
        """Detect in pictures (H, W, 3) uint8 RGB of any size.

        large: for each picture whether its faces may be small in it, so that it needs more pixels
        than the head of a person does.
        """
        roomy = large or [False] * len(pictures)
        queues: dict[int, list[int]] = defaultdict(list)
        for index, picture in enumerate(pictures):
            queues[self.divisions(picture.shape[1], picture.shape[0], roomy[index])].append(index)
        found: dict[int, DetectedFaces] = {}
        for divisions, indices in queues.items():
            for start in range(0, len(indices), divisions**2):
                part = indices[start : start + divisions**2]
                faces = self._canvas([pictures[index] for index in part], divisions)
                found.update(zip(part, faces, strict=True))
        return [found[index] for index in range(len(pictures))]

    def divisions(self, width: int, height: int, large: bool) -> int:
        """Tiles per side of the canvas: the most that keep the picture's resolution.

        The head of a person fills much of its picture, so a tile of half the canvas is enough at
        any resolution.
        """
        for divisions in _DIVISIONS:
            tile = min(self.canvas) // divisions
            fits = max(width, height) <= tile - _MARGIN or (divisions == 2 and not large)
            if tile >= _LEAST_TILE and fits:
                return divisions
        return 1

    def _canvas(self, pictures: Sequence[NDArray[np.uint8]], divisions: int) -> list[DetectedFaces]:
        """Run the network on a grid of tiles."""
        width, height = self.canvas[0] // divisions, self.canvas[1] // divisions
        # A single tile needs no margin.
        margin = _MARGIN if divisions > 1 else 0
        canvas = np.zeros((self.canvas[1], self.canvas[0], 3), np.uint8)
        scales = []
        for place, picture in enumerate(pictures):
            top, left = (place // divisions) * height, (place % divisions) * width
            scales.append(
                _draw(canvas[top : top + height - margin, left : left + width - margin], picture)
            )
        boxes, landmarks = self.library.detect(canvas)
        columns = ((boxes[:, 0] + boxes[:, 2]) / 2 // width).astype(int)
        lines = ((boxes[:, 1] + boxes[:, 3]) / 2 // height).astype(int)
        out = []
        for place, (x_scale, y_scale) in enumerate(scales):
            line, column = divmod(place, divisions)
            mine = (columns == column) & (lines == line)
            origin = np.array([column * width, line * height], np.float32)
            scale = np.array([x_scale, y_scale], np.float32)
            corners = (boxes[mine, :4].reshape(-1, 2, 2) - origin) / scale
            out.append(
                DetectedFaces(
                    corners.reshape(-1, 4),
                    boxes[mine, 4],
                    ((landmarks[mine] - origin) / scale).astype(np.float32),
                )
            )
        return out


def _insightface(path: Path, device: str, threads: int) -> Any:
    """insightface's own detector, which takes BGR."""
    quiet_libraries()
    from insightface.model_zoo import get_model

    return get_model(
        str(path), sess_options=onnx_options(threads), providers=onnx_providers(device)
    )


def _draw(tile: NDArray[np.uint8], picture: NDArray[np.uint8]) -> tuple[float, float]:
    """Resize a picture (RGB) into the upper left of a tile (BGR); returns the scales."""
    height, width = picture.shape[:2]
    scale = min(tile.shape[1] / width, tile.shape[0] / height)
    new_width, new_height = max(1, round(width * scale)), max(1, round(height * scale))
    mode = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    resized = cv2.resize(picture, (new_width, new_height), interpolation=mode)
    tile[:new_height, :new_width] = resized[..., ::-1]
    return new_width / width, new_height / height
