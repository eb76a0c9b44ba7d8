"""Every token through one map into a wide space, and the maximum there over the image.

What a number of the wide space asks, any token of any region can answer: a face in a full body
answers as one in a close-up does. As PointNet does with points (Qi et al., CVPR 2017).

Shape suffixes: B batch, N tokens, D width, F feature size, W = 8 D.
"""

import torch
from torch import Tensor, nn

from model.sapiensid.heads.encoded import Encoded
from model.sapiensid.heads.projection import affine

_WIDER = 8


class MappedHead(nn.Module):
    """The maximum of the mapped tokens, projected; it looks at no keypoint."""

    def __init__(self, width: int, feature_dim: int) -> None:
        super().__init__()
        self.map = nn.Sequential(nn.Linear(width, _WIDER * width), nn.GELU())
        self.project = affine(_WIDER * width, feature_dim)

    def forward(self, encoded: Encoded, datasets_B: Tensor | None = None) -> Tensor:
        """The feature (B, F); data sets make no difference."""
        tokens_BND, real_BN = encoded.all_tokens()
        mapped_BNW = self.map(tokens_BND)
        most_BW = mapped_BNW.masked_fill(~real_BN[..., None], -torch.inf).amax(1)
        feature_BF: Tensor = self.project(most_BW)
        return feature_BF
