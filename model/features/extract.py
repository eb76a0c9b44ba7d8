"""Features of samples in batches.

Shape suffixes: B samples of a batch, H, W, C of their images, K keypoints, F feature size.
"""

from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.faces.features import FaceFeatures
from model.features.samples import Sample
from model.sapiensid.sapiensid import visible_inside
from webbody import skeleton


@dataclass(frozen=True)
class Features:
    """A batch of samples with their raw features (B, F) float32 and numbers of visible keypoints.

    Rows of samples with an outcome are zeros.
    """

    samples: list[Sample]
    features_BF: NDArray[np.float32]
    visible_B: NDArray[np.int32]


class FeatureModel(Protocol):
    """A module that gives features: a SapiensID, or one of the same kind.

    Called with images_BCHW, squares of `image_size` pixels in [-1, 1], and keypoints_BK3, it
    returns features (B, feature_dim).
    """

    @property
    def image_size(self) -> int: ...
    @property
    def feature_dim(self) -> int: ...
    def __call__(self, images_BCHW: Tensor, keypoints_BK3: Tensor) -> Tensor: ...
    def to(self, device: str) -> Any: ...
    def eval(self) -> Any: ...


class TrainedModel(FeatureModel, Protocol):
    """One that is being trained."""

    @property
    def training(self) -> bool: ...
    def train(self, mode: bool = True) -> Any: ...


def with_face(sample: Sample) -> Sample:
    """The sample; one without all landmarks of a face ends as `face:none`."""
    if sample.keypoints is None or (sample.keypoints[skeleton.FACE5, 2] > 0).all():
        return sample
    return replace(sample, image=None, keypoints=None, outcome="face:none")


class Extractor:
    """A model on a device; called with samples, it gives their features batch by batch.

    With `flip` a feature is the sum of those of the image and of the mirrored image. On CUDA the
    model runs in bfloat16. A feature depends on nothing else in its batch.
    """

    def __init__(
        self, model: FeatureModel, *, device: str = "cpu", batch: int = 32, flip: bool = False
    ) -> None:
        self.model: FeatureModel = model.to(device).eval()
        self.device, self.batch, self.flip = device, batch, flip
        # A study holds the model that it varies.
        self._of_faces = isinstance(getattr(model, "model", model), FaceFeatures)

    def __call__(self, samples: Iterable[Sample]) -> Iterator[Features]:
        """The features of samples whose images have the model's size, in their order."""
        iterator = map(with_face, samples) if self._of_faces else iter(samples)
        running: tuple[list[Sample], Tensor, Tensor] | None = None
        # Results are fetched one batch late, so that the device has work while the next batch is
        # put together.
        while window := list(islice(iterator, self.batch)):
            started = self._start(window)
            if running is not None:
                yield self._finished(*running)
            running = started
        if running is not None:
            yield self._finished(*running)

    def _start(self, window: list[Sample]) -> tuple[list[Sample], Tensor, Tensor]:
        """The samples, and on the device the features and visible keypoints of the good ones."""
        good = [sample for sample in window if sample.outcome is None]
        if not good:
            return window, torch.zeros(0, self.model.feature_dim), torch.zeros(0)
        pixels_BHWC = np.stack([sample.image for sample in good if sample.image is not None])
        points_BK3 = np.stack([sample.keypoints for sample in good if sample.keypoints is not None])
        mirrored_BK3 = None
        if self.flip:
            mirrored_BK3 = skeleton.flip(points_BK3, 1)
            for row, sample in enumerate(good):
                if sample.mirrored is not None:
                    mirrored_BK3[row] = sample.mirrored
        return window, *self._features(pixels_BHWC, points_BK3, mirrored_BK3)

    @torch.inference_mode()
    def _features(
        self,
        pixels_BHWC: NDArray[np.uint8],
        points_BK3: NDArray[np.float32],
        mirrored_BK3: NDArray[np.float32] | None,
    ) -> tuple[Tensor, Tensor]:
        cuda = self.device.startswith("cuda")
        pixels = torch.from_numpy(pixels_BHWC).to(self.device)
        images_BCHW = pixels.permute(0, 3, 1, 2).float().div(127.5).sub(1)
        keypoints_BK3 = torch.from_numpy(points_BK3).to(self.device)
        with torch.autocast("cuda", torch.bfloat16) if cuda else nullcontext():
            features_BF = self.model(images_BCHW, keypoints_BK3).float()
            if mirrored_BK3 is not None:
                points = torch.from_numpy(mirrored_BK3).to(self.device)
                features_BF = features_BF + self.model(images_BCHW.flip(-1), points).float()
        return features_BF, (visible_inside(keypoints_BK3)[..., 2] > 0).sum(1)

    def _finished(self, window: list[Sample], features_BF: Tensor, visible_B: Tensor) -> Features:
        """The features on the host, a row for each sample."""
        good = np.array([sample.outcome is None for sample in window])
        features = np.zeros((len(window), features_BF.shape[1]), np.float32)
        visible = np.zeros(len(window), np.int32)
        features[good] = features_BF.cpu().numpy()
        visible[good] = visible_B.cpu().numpy()
        # Landmarks that all lie on one point align no face.
        for row in np.flatnonzero(np.isnan(features).all(1)) if self._of_faces else ():
            window[row] = replace(window[row], image=None, keypoints=None, outcome="face:none")
            features[row] = visible[row] = 0
        return Features(window, features, visible)
