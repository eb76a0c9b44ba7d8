"""A pooled branch, and a branch of parts that begins with nothing to say.

Shape suffixes: B batch, S members of the set of parts, H heads, D width, F feature size.
"""

import torch
from torch import Tensor, nn

from model.sapiensid.heads.encoded import Encoded
from model.sapiensid.heads.pooled import pooled_tokens
from model.sapiensid.heads.present_parts import PresentParts, most


class ResidualHead(nn.Module):
    """The sum of what pooled tokens and what parts say, the latter by a scale that begins at zero.

    So it begins as the pooled head, and parts come in only where they help.
    """

    def __init__(
        self, width: int, keypoints: int, feature_dim: int, offsets: int = 4, peak: str = "top1"
    ) -> None:
        super().__init__()
        self.set = PresentParts(width, keypoints, offsets, peak)
        self.gate = nn.Linear(width, 1)
        self.pooled = nn.Linear(2 * width, feature_dim, bias=False)
        self.parts = nn.Linear(2 * width, feature_dim, bias=False)
        self.scale_F = nn.Parameter(torch.zeros(feature_dim))
        self.norm = nn.BatchNorm1d(feature_dim, eps=2e-5)

    def forward(self, encoded: Encoded, datasets_B: Tensor | None = None) -> Tensor:
        """The feature (B, F); data sets make no difference."""
        members_BSD, there_BS = self.set(encoded)
        gates_BS1 = self.gate(members_BSD).masked_fill(~there_BS[..., None], -torch.inf)
        weights_BS1 = gates_BS1.softmax(1, dtype=torch.float32).to(members_BSD.dtype)
        gathered_BD = (weights_BS1 * members_BSD).sum(1)
        said_BF = self.parts(torch.cat([gathered_BD, most(members_BSD, there_BS)], -1))
        feature_BF: Tensor = self.norm(self.pooled(pooled_tokens(encoded)) + self.scale_F * said_BF)
        return feature_BF
