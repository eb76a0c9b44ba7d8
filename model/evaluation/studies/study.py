"""Base class of studies: one feature that concatenates those of all variants.

Shape suffixes: B batch, C channels, H, W image sides, K keypoints, F feature size of the model.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from model.features.extract import FeatureModel


class Study(nn.Module, ABC):
    """A model, seen in several `variants`: their features side by side are its feature.

    It is called as the model is and gives (B, variants * F), so that extraction decodes an image
    once. It is for evaluation: the feature of an image depends on nothing else in its batch.
    """

    model: FeatureModel

    def __init__(self, model: FeatureModel, variants: Sequence[str]) -> None:
        super().__init__()
        self.model, self.variants = model, tuple(variants)
        self.image_size = model.image_size
        self.feature_dim = len(self.variants) * model.feature_dim

    @abstractmethod
    def features(self, images_BCHW: Tensor, keypoints_BK3: Tensor) -> Iterator[Tensor]:
        """The features (B, F) of each variant, in their order."""

    def forward(self, images_BCHW: Tensor, keypoints_BK3: Tensor) -> Tensor:
        """Features (B, variants * F); arguments as the model's."""
        return torch.cat(list(self.features(images_BCHW, keypoints_BK3)), 1)
