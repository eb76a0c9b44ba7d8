"""Parts as a set: each knows which it is, and those that are missing are not there at all.

The paper's head gives every part weights of its own and puts zeros where one is missing, so that a
close-up is another point of the same long vector than a full body. Here all parts share one map,
and whatever comes next sees those that are there, and a learned token that always is.

Shape suffixes: B batch, K keypoints, P = K * offsets parts, S = 2 P + 1 members, D width.
"""

import torch
from torch import Tensor, nn

from model.encoder import norm_in_float
from model.sapiensid.heads.encoded import Encoded
from model.sapiensid.heads.parts import PartFeatures


class PresentParts(nn.Module):
    """Normalised part features with a learned gain and bias each, and a token that never misses."""

    def __init__(self, width: int, keypoints: int, offsets: int, peak: str) -> None:
        super().__init__()
        self.features = PartFeatures(width, keypoints, offsets, peak)
        self.norm = nn.LayerNorm(width)
        self.gain_PD = nn.Parameter(torch.ones(2 * keypoints * offsets, width))
        self.bias_PD = nn.Parameter(torch.zeros(2 * keypoints * offsets, width))
        self.always_D = nn.Parameter(torch.zeros(width))

    def forward(self, encoded: Encoded) -> tuple[Tensor, Tensor]:
        """The members (B, S, D), and which of them are there (B, S)."""
        parts_BPD = norm_in_float(self.norm, self.features.parts(encoded))
        parts_BPD = parts_BPD.to(self.gain_PD.dtype) * self.gain_PD + self.bias_PD
        seen_BP = self.features.seen(encoded)
        always_B1D = self.always_D.expand(len(parts_BPD), 1, -1)
        # Whatever a missing part holds is no number that anything depends on.
        members_BSD = torch.cat([parts_BPD.where(seen_BP[..., None], 0), always_B1D], 1)
        return members_BSD, torch.cat([seen_BP, torch.ones_like(seen_BP[:, :1])], 1)


def most(members_BSD: Tensor, there_BS: Tensor) -> Tensor:
    """The maximum over the members that are there: (B, D)."""
    return members_BSD.where(there_BS[..., None], -torch.inf).amax(1)
