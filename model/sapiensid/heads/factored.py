"""The paper's head with its long map in two factors: a small vector of each part, then the feature.

Shape suffixes: B batch, S members of the set of parts, R rank, D width, F feature size.
"""

import torch
from torch import Tensor, nn

from model.sapiensid.heads.encoded import Encoded
from model.sapiensid.heads.pooled import pooled_tokens
from model.sapiensid.heads.present_parts import PresentParts
from model.sapiensid.heads.projection import affine

_RANK = 8


class FactoredHead(nn.Module):
    """Each part keeps a place of its own in the feature's inputs, of eight numbers instead of D."""

    def __init__(
        self, width: int, keypoints: int, feature_dim: int, offsets: int = 4, peak: str = "top1"
    ) -> None:
        super().__init__()
        self.set = PresentParts(width, keypoints, offsets, peak)
        self.shrink = nn.Linear(width, _RANK)
        self.project = affine(2 * width + (2 * keypoints * offsets + 1) * _RANK, feature_dim)

    def forward(self, encoded: Encoded, datasets_B: Tensor | None = None) -> Tensor:
        """The feature (B, F); data sets make no difference."""
        members_BSD, there_BS = self.set(encoded)
        small_BSR = self.shrink(members_BSD) * there_BS[..., None]
        found = [pooled_tokens(encoded), small_BSR.flatten(1)]
        feature_BF: Tensor = self.project(torch.cat(found, -1))
        return feature_BF
