"""rtmlib's RTMPose and RTMW models on whole batches of crops.

rtmlib itself takes one box at a time and BGR pixels. Its crop of a box is reused; its session is
run on batches of RGB pixels, on which the models were trained.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.detection.devices import choose_device, onnx_session
from pipelines.detection.simcc import BETAS, infer_beta, read_simcc
from pipelines.detection.simcc_layout import input_size_of, points_of
from webbody import models
from webbody.errors import WebbodyError
from webbody.library_environment import quiet_libraries
from webbody.model_contracts import RTMPOSE
from webbody.model_table import KEYPOINTS, find
from webbody.skeleton import WHOLEBODY133


class KeypointDetector:
    """A SimCC model of rtmlib; called with crops and boxes, it returns points and confidences.

    Of whole-body models only the 19 points of webbody.skeleton are read.

    input_size: width and height of the model's input in pixels; None takes what the file says.
    beta: factor of the softmax (see pipelines.detection.simcc); None takes the known model's, and
    for other files infers it from the logits for a drawn person.
    Attributes: `count`, the points of the file (17 or 133); `input_size`; `beta`, and where it is
    from, `beta_source`; `confidence`, both in words.
    """

    def __init__(
        self,
        model: str,
        input_size: tuple[int, int] | None,
        device: str,
        batch: int,
        threads: int,
        beta: float | None = None,
    ) -> None:
        quiet_libraries()
        from rtmlib import RTMPose

        path = models.resolve(model, KEYPOINTS)
        with models.loading(path, "a keypoint model of rtmlib"):
            # rtmlib has no setting for threads: its session is replaced by one that has.
            session = onnx_session(path, choose_device(device), threads)
        self.input_size = input_size_of(path, session, input_size)
        # A file exported with batch size 1.
        self.batch = 1 if isinstance(session.get_inputs()[0].shape[0], int) else batch
        with models.loading(path, "a keypoint model of rtmlib"):
            self.library = RTMPose(str(path), model_input_size=self.input_size, device="cpu")
            self.library.session = session
            # Batches are normalised here, in single precision.
            self._mean = np.array(RTMPOSE.mean, np.float32).reshape(3, 1, 1)
            self._scale = 1 / np.array(RTMPOSE.std, np.float32).reshape(3, 1, 1)
            self.library.mean = None
            self._names = [part.name for part in session.get_outputs()]
            width, height = self.input_size
            outputs = self._run(np.zeros((self.batch, 3, height, width), np.float32))
        self.count = points_of(path, outputs, self.input_size)
        self._wanted = WHOLEBODY133 if self.count == 133 else np.arange(self.count)
        known = find(model, KEYPOINTS)
        family = known.contract if known else None
        if beta is not None:
            self.beta, self.beta_source = beta, "as set"
        elif family is not None and family.beta is not None:
            self.beta, self.beta_source = family.beta, f"of {family.family}"
        else:
            self.beta, self.beta_source = self._infer_beta(path), "told from the file's outputs"

    @property
    def confidence(self) -> str:
        """Where confidences are from."""
        return f"beta {self.beta:g}, {self.beta_source}"

    def __call__(
        self, crops: Sequence[NDArray[np.uint8]], boxes: Sequence[Sequence[float]]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Points (N, K, 2) in pixels of the crops and confidences (N, K) in 0..1.

        K is 17 in COCO's order, or 19 in that of webbody.skeleton, as the model has them.
        crops: (H, W, 3) uint8 RGB of any size; boxes: xyxy of the person in each.
        """
        points = np.zeros((len(crops), len(self._wanted), 2), np.float32)
        sure = np.zeros((len(crops), len(self._wanted)), np.float32)
        for start in range(0, len(crops), self.batch):
            part = slice(start, start + self.batch)
            points[part], sure[part] = self._part(crops[part], boxes[part])
        return points, sure

    def _part(
        self, crops: Sequence[NDArray[np.uint8]], boxes: Sequence[Sequence[float]]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        (x, y), centres, scales = self._logits(crops, boxes)
        places, sure = read_simcc(x, y, self.beta)
        points = (places / self.input_size - 0.5) * scales + centres
        return points.astype(np.float32), sure

    def _logits(
        self, crops: Sequence[NDArray[np.uint8]], boxes: Sequence[Sequence[float]]
    ) -> tuple[list[NDArray[np.float32]], NDArray[np.float64], NDArray[np.float64]]:
        """Logits of the points in use, and centres and sides (N, 1, 2) of the cropped boxes."""
        cut = [
            self.library.preprocess(crop, list(box)) for crop, box in zip(crops, boxes, strict=True)
        ]
        pixels = np.stack([image for image, _, _ in cut])
        batch = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2), dtype=np.float32)
        batch -= self._mean
        batch *= self._scale
        logits = [part[:, self._wanted] for part in self._run(batch)]
        centres = np.stack([centre for _, centre, _ in cut])[:, None]
        return logits, centres, np.stack([scale for _, _, scale in cut])[:, None]

    def _run(self, batch: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        session = self.library.session
        outputs = session.run(self._names, {session.get_inputs()[0].name: batch})
        return [np.asarray(output, np.float32) for output in outputs]

    def _infer_beta(self, path: Path) -> float:
        """Infer the beta of an unknown file."""
        crop = _drawn_person()
        logits = self._logits([crop], [(0, 0, *crop.shape[1::-1])])[0]
        if all((part >= 0).all() and np.allclose(part.sum(-1), 1, atol=1e-3) for part in logits):
            raise WebbodyError(
                f"{path}: gives probabilities, not the logits of a SimCC model; export it without "
                "the final softmax."
            )
        beta = infer_beta(*logits)
        if beta is None:
            raise WebbodyError(
                f"{path}: its outputs are of no scale that a known SimCC model has; set "
                f"keypoints.beta to the beta of its training loss ({BETAS[0]:g} in RTMPose, "
                f"{BETAS[1]:g} in RTMW)."
            )
        return beta


def _drawn_person() -> NDArray[np.uint8]:
    """A drawn picture (H, W, 3) RGB of a standing person who faces the viewer."""
    from webbody.demo.drawing.identity import Identity
    from webbody.demo.drawing.scene import photo

    person = [Identity.sample(0)]
    size, heads = (384, 512), (0.16, 0.17)
    drawn = photo(np.random.default_rng(0), person, size, heads=heads, occluders=0, frontal=1)
    return np.ascontiguousarray(drawn.image[..., ::-1])
