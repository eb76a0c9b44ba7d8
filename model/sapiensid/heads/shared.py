"""One map shared by all parts, and attention over those that are there, beside pooled tokens.

Shape suffixes: B batch, S members of the set of parts, H heads, D width, F feature size.
"""

import torch
from torch import Tensor, nn

from model.sapiensid.heads.encoded import Encoded
from model.sapiensid.heads.pooled import pooled_tokens
from model.sapiensid.heads.present_parts import PresentParts, most
from model.sapiensid.heads.projection import affine

_HEADS = 4


class SharedHead(nn.Module):
    """Pooled tokens, and parts gathered by a gate that looks at each of them.

    Mean and maximum of the tokens say what the image shows, the gathered parts what its body parts
    look like; nothing has weights for one part alone but its gain and its bias.
    """

    def __init__(
        self, width: int, keypoints: int, feature_dim: int, offsets: int = 4, peak: str = "top1"
    ) -> None:
        super().__init__()
        self.set = PresentParts(width, keypoints, offsets, peak)
        self.map = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))
        self.gate = nn.Linear(width, _HEADS)
        self.project = affine((2 + _HEADS + 1) * width, feature_dim)

    def forward(self, encoded: Encoded, datasets_B: Tensor | None = None) -> Tensor:
        """The feature (B, F); data sets make no difference."""
        members_BSD, there_BS = self.set(encoded)
        members_BSD = members_BSD + self.map(members_BSD)
        gates_BSH = self.gate(members_BSD).masked_fill(~there_BS[..., None], -torch.inf)
        weights_BHS = gates_BSH.softmax(1, dtype=torch.float32).mT.to(members_BSD.dtype)
        gathered = (weights_BHS @ members_BSD).flatten(1)
        found = [pooled_tokens(encoded), gathered, most(members_BSD, there_BS)]
        feature_BF: Tensor = self.project(torch.cat(found, -1))
        return feature_BF
