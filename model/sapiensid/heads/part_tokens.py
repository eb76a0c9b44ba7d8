"""Parts as further tokens of a small transformer, which asks them for the feature.

Shape suffixes: B batch, S members of the set of parts, M = S + 2, D width, F feature size.
"""

import torch
from torch import Tensor, nn

from model.encoder import EncoderBlock, norm_in_float
from model.sapiensid.heads.encoded import Encoded
from model.sapiensid.heads.pooled import pooled_tokens
from model.sapiensid.heads.present_parts import PresentParts
from model.sapiensid.heads.projection import affine

_BLOCKS, _HEAD_WIDTH, _MLP = 2, 32, 2.0


class PartTokensHead(nn.Module):
    """Mean and maximum of the tokens, and the parts that are there, look at one another."""

    def __init__(
        self, width: int, keypoints: int, feature_dim: int, offsets: int = 4, peak: str = "top1"
    ) -> None:
        super().__init__()
        self.set = PresentParts(width, keypoints, offsets, peak)
        self.blocks = nn.ModuleList(
            EncoderBlock(width, max(1, width // _HEAD_WIDTH), _MLP, 0.0) for _ in range(_BLOCKS)
        )
        self.norm = nn.LayerNorm(width)
        self.project = affine(3 * width, feature_dim)

    def forward(self, encoded: Encoded, datasets_B: Tensor | None = None) -> Tensor:
        """The feature (B, F); data sets make no difference."""
        members_BSD, there_BS = self.set(encoded)
        pooled_B2D = pooled_tokens(encoded).unflatten(-1, (2, -1)).to(members_BSD.dtype)
        x_BMD = torch.cat([pooled_B2D, members_BSD], 1)
        there_BM = torch.cat([torch.ones_like(there_BS[:, :2]), there_BS], 1)
        bias_B11M = torch.zeros_like(there_BM, dtype=torch.float32)
        bias_B11M = bias_B11M.masked_fill(~there_BM, -torch.inf)[:, None, None]
        for block in self.blocks:
            x_BMD = block(x_BMD, bias_B11M, (None, None))
        asked_BMD = norm_in_float(self.norm, x_BMD)
        first_BF: Tensor = self.project(
            torch.cat([asked_BMD[:, 0], asked_BMD[:, 1], asked_BMD[:, -1]], -1).to(x_BMD.dtype)
        )
        return first_BF
