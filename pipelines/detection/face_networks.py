"""Face detectors without support in insightface: OpenCV's YuNet and the authors' RetinaFace-R50.

Each returns the same as insightface's detectors for a BGR picture: boxes with scores (N, 5) and
landmarks (N, 5, 2), above `det_thresh`, after NMS.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.detection.devices import onnx_session
from pipelines.detection.overlap import nms
from webbody.model_contracts import Contract

Floats = NDArray[np.float32]
#: Boxes (N, 4) xyxy and landmarks (N, 10) in pixels, scores (N,).
Found = tuple[Floats, Floats, Floats]


class FaceNetwork:
    """A face detector in an ONNX file; subclasses decode the outputs."""

    def __init__(
        self, path: Path, contract: Contract, floor: float, iou: float, device: str, threads: int
    ) -> None:
        self._session = onnx_session(path, device, threads)
        taken = self._session.get_inputs()[0]
        self._input = taken.name
        self._names = [output.name for output in self._session.get_outputs()]
        height, width = taken.shape[2:4]
        fixed = isinstance(height, int) and isinstance(width, int)
        #: Width and height of a fixed input, None if the file takes any size.
        self.static_input_size = (width, height) if fixed else None
        self.det_thresh, self._iou = floor, iou
        self._mean = np.array(contract.mean, np.float32)
        self._std = np.array(contract.std, np.float32)

    def detect(self, picture: NDArray[np.uint8]) -> tuple[Floats, Floats]:
        """Boxes and scores (N, 5), and landmarks (N, 5, 2), of a picture (H, W, 3) in BGR."""
        pixels = ((picture - self._mean) / self._std).transpose(2, 0, 1)[None]
        outputs = self._session.run(self._names, {self._input: np.ascontiguousarray(pixels)})
        named = dict(zip(self._names, outputs, strict=True))
        boxes, marks, scores = self._decoded(named, picture.shape[1], picture.shape[0])
        kept = np.flatnonzero(scores >= self.det_thresh)
        kept = kept[nms(boxes[kept], scores[kept], self._iou)]
        found = np.concatenate([boxes[kept], scores[kept, None]], 1).astype(np.float32)
        return found, marks[kept].reshape(-1, 5, 2).astype(np.float32)

    def _decoded(self, outputs: dict[str, Floats], width: int, height: int) -> Found:
        raise NotImplementedError


class YuNet(FaceNetwork):
    """Wu et al. 2023: a face a cell of three grids; its score is the root of class times object."""

    def _decoded(self, outputs: dict[str, Floats], width: int, height: int) -> Found:
        boxes, marks, scores = [], [], []
        for stride in (8, 16, 32):
            cls, obj, box, mark = (
                outputs[f"{kind}_{stride}"].reshape(-1, numbers)
                for kind, numbers in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10))
            )
            y, x = np.mgrid[: height // stride, : width // stride]
            cell = np.stack([x, y], 2).reshape(-1, 2).astype(np.float32)
            centre = (cell + box[:, :2]) * stride
            half = np.exp(box[:, 2:]) * stride / 2
            boxes.append(np.concatenate([centre - half, centre + half], 1))
            marks.append((mark + np.tile(cell, 5)) * stride)
            scores.append(np.sqrt(np.clip(cls, 0, 1) * np.clip(obj, 0, 1))[:, 0])
        return np.concatenate(boxes), np.concatenate(marks), np.concatenate(scores)


class RetinaFaceR50(FaceNetwork):
    """Deng et al. 2020: two anchors a cell, offsets scaled by the variances of its training."""

    _ANCHORS = ((8, (16, 32)), (16, (64, 128)), (32, (256, 512)))
    _VARIANCES = (0.1, 0.2)

    def _decoded(self, outputs: dict[str, Floats], width: int, height: int) -> Found:
        by_width = {output.shape[-1]: output[0] for output in outputs.values()}
        box, mark, classes = by_width[4], by_width[10], by_width[2]
        anchors = self._anchors(width, height)
        centre, side = anchors[:, :2], anchors[:, 2:]
        near, spread = self._VARIANCES
        middle = centre + box[:, :2] * near * side
        half = side * np.exp(box[:, 2:] * spread) / 2
        boxes = np.concatenate([middle - half, middle + half], 1)
        marks = np.tile(centre, 5) + mark * near * np.tile(side, 5)
        if not np.allclose(classes.sum(1), 1, atol=1e-3):  # exported before the softmax
            powers = np.exp(classes - classes.max(1, keepdims=True))
            classes = powers / powers.sum(1, keepdims=True)
        return boxes, marks, classes[:, 1]

    def _anchors(self, width: int, height: int) -> Floats:
        """Centre and sides (N, 4) of every anchor, in pixels."""
        out = []
        for stride, sides in self._ANCHORS:
            y, x = np.mgrid[: -(-height // stride), : -(-width // stride)]
            centre = (np.stack([x, y], 2).reshape(-1, 1, 2) + 0.5) * stride
            both = np.repeat(centre, len(sides), 1)
            size = np.broadcast_to(np.array(sides)[None, :, None], both.shape)
            out.append(np.concatenate([both, size], 2).reshape(-1, 4))
        return np.concatenate(out).astype(np.float32)
