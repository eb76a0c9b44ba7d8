"""The semantic attention head: features of body parts, pooled around keypoints (paper 3.3, A.2).

Shape suffixes: B batch, K keypoints, P = K * offsets parts, D width, F feature size.
"""

import torch
from torch import Tensor, nn

from model.sapiensid.heads.encoded import Encoded
from model.sapiensid.heads.parts import PartFeatures
from model.sapiensid.heads.projection import projection


class SemanticHead(PartFeatures):
    """Part features around every keypoint, and one linear map of all of them to the feature.

    Part features are scaled by a weight learned for each data set (Eq. 10); without a data set,
    those of the first are taken (the published weights) or, with `mean_datasets`, the mean of all
    (the paper).
    """

    def __init__(
        self,
        width: int,
        keypoints: int,
        feature_dim: int,
        offsets: int = 4,
        datasets: int = 1,
        peak: str = "top1",
        mean_datasets: bool = False,
    ) -> None:
        super().__init__(width, keypoints, offsets, peak)
        self.mean_datasets = mean_datasets
        self.part_weights = nn.Parameter(torch.zeros(datasets, 2 * keypoints * offsets))
        self.project = projection(2 * keypoints * offsets * width, feature_dim)

    def scaled_parts(self, encoded: Encoded, datasets_B: Tensor | None = None) -> Tensor:
        """Part features (B, 2 P, D) times their weights: what is projected to the feature."""
        scales = self.part_weights.sigmoid()
        if datasets_B is not None:
            scales = scales[datasets_B]
        else:
            scales = scales.mean(0, keepdim=True) if self.mean_datasets else scales[:1]
        return self.parts(encoded) * scales[..., None]

    def forward(self, encoded: Encoded, datasets_B: Tensor | None = None) -> Tensor:
        """The feature (B, F)."""
        feature_BF: Tensor = self.project(self.scaled_parts(encoded, datasets_B).flatten(1))
        return feature_BF
