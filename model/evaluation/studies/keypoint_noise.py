"""Keypoints that are a little wrong (paper B.6 a).

Shape suffixes: B batch, C channels, H, W image sides, K keypoints, F feature size.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from model.evaluation.studies.seeds import image_seeds
from model.evaluation.studies.study import Study
from model.features.extract import FeatureModel
from model.random_numbers import uniform
from model.sapiensid.sapiensid import visible_inside


class KeypointNoise(Study):
    """Keypoints as they were detected, and with Gaussian noise on each visible one.

    `sigma` is a fraction of the image's side. A point that the noise pushes out of the image counts
    as missing, as any point there does. The mirrored image gets noise of its own, as if its
    keypoints had been detected anew.
    """

    def __init__(self, model: FeatureModel, sigma: float = 0.01) -> None:
        super().__init__(model, ("detected", "noisy"))
        self.sigma = sigma

    def features(self, images_BCHW: Tensor, keypoints_BK3: Tensor) -> Iterator[Tensor]:
        """The features (B, F) of each variant, in their order."""
        yield self.model(images_BCHW, keypoints_BK3)
        yield self.model(images_BCHW, with_noise(keypoints_BK3, self.sigma))


def with_noise(keypoints_BK3: Tensor, sigma: float) -> Tensor:
    """The keypoints with noise on x and y of those that are visible and inside the image.

    The noise is a hash of the image's keypoints.
    """
    seen_BK1 = visible_inside(keypoints_BK3)[..., 2:] > 0
    noise_B2K = uniform(image_seeds(keypoints_BK3), 2 * seen_BK1.shape[1]).unflatten(1, (2, -1))
    # Box and Muller (1958): in polar coordinates two normal numbers are independent too.
    length_BK, angle_BK = (-2 * (1 - noise_B2K[:, 0]).log()).sqrt(), 2 * math.pi * noise_B2K[:, 1]
    step_BK2 = torch.stack([length_BK * angle_BK.cos(), length_BK * angle_BK.sin()], -1)
    moved_BK2 = keypoints_BK3[..., :2] + sigma * step_BK2
    return torch.cat([moved_BK2, keypoints_BK3[..., 2:]], -1).where(seen_BK1, keypoints_BK3)
