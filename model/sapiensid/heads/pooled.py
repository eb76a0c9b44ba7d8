"""The pooled head: mean and maximum of the tokens.

Shape suffixes: B batch, N tokens, D width, F feature size.
"""

import torch
from torch import Tensor, nn

from model.sapiensid.heads.encoded import Encoded
from model.sapiensid.heads.projection import projection


class PooledHead(nn.Module):
    """Mean and maximum of the tokens in place of part features: the baseline of Table 5."""

    def __init__(self, width: int, feature_dim: int) -> None:
        super().__init__()
        self.project = projection(2 * width, feature_dim)

    def forward(self, encoded: Encoded, datasets_B: Tensor | None = None) -> Tensor:
        """The feature (B, F); data sets make no difference."""
        feature_BF: Tensor = self.project(pooled_tokens(encoded))
        return feature_BF


def pooled_tokens(encoded: Encoded) -> Tensor:
    """Mean and maximum of an image's or a clip's tokens, side by side: (B, 2 D)."""
    tokens_BND, real_BN = encoded.all_tokens()
    real_BN1 = real_BN[..., None]
    mean_BD = tokens_BND.where(real_BN1, 0).sum(1) / real_BN1.sum(1)
    most_BD = tokens_BND.where(real_BN1, -torch.inf).amax(1)
    return torch.cat([mean_BD, most_BD], -1)
