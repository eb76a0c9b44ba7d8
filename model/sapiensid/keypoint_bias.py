"""SapiensID's variant of KP-RPE: tables from position embeddings, through a small network.

Shape suffixes: B batch, N tokens, L keypoints, S shrunk size, D width, C context size (in
buckets_CC: cells).
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.kprpe import BUCKETS, RelativeBias, bucket_map, tables_by_block


class KeypointBias(nn.Module):
    """Biases of all blocks of SapiensID from keypoints; starts as no bias at all.

    The context of a token comes from the position embedding of its place minus that of each
    keypoint, through two linear maps and a ReLU. CLS, the mask token, padding and missing
    keypoints have no place: all their differences are -2. Pairs with CLS or the mask token have a
    bucket of their own.

    Buckets are those of the published weights: taken on a 14 x 14 grid whatever the real one, with
    rows and columns exchanged, and by the place of a patch in its own region's grid.
    """

    buckets_CC: Tensor
    no_place: float = -2.0

    def __init__(
        self,
        width: int,
        keypoints: int,
        side: int,
        depth: int,
        heads: int,
        hidden: int = 512,
        shrunk: int = 32,
    ) -> None:
        super().__init__()
        self.depth, self.cells = depth, side * side
        self.shrink = nn.Linear(width, shrunk)
        self.mix = nn.Linear(keypoints * shrunk, hidden)
        self.table = nn.Linear(hidden, depth * heads * (BUCKETS + 1))
        nn.init.zeros_(self.table.weight)
        nn.init.zeros_(self.table.bias)
        # The last cell is that of CLS and of the mask token.
        buckets_CC = torch.full((self.cells + 1,) * 2, BUCKETS, device="cpu")
        nearest = [round(13 * k / (side - 1)) for k in range(side)]
        rows, columns = zip(*((a, b) for a in nearest for b in nearest), strict=True)
        buckets_CC[:-1, :-1] = bucket_map(list(columns), list(rows))
        self.register_buffer("buckets_CC", buckets_CC, persistent=False)

    def context(
        self, tokens_BND: Tensor, mask_BN: Tensor, keypoints_BLD: Tensor, seen_BL: Tensor
    ) -> Tensor:
        """Context (B, N, C) from the position embeddings of tokens and keypoints.

        `mask_BN` and `seen_BL` tell which of them have a place.
        """
        # The map of a difference is the difference of the maps, without its B x N x L x D memory.
        # In full precision, since near a keypoint the two almost cancel out.
        with torch.autocast(tokens_BND.device.type, enabled=False):
            weight_SD = self.shrink.weight.float()
            token_BNS = F.linear(tokens_BND.float(), weight_SD, self.shrink.bias.float())
            keypoint_BLS = F.linear(keypoints_BLD.float(), weight_SD)
            nowhere_S = self.no_place * weight_SD.sum(1) + self.shrink.bias.float()
            shrunk_BNLS = token_BNS[:, :, None] - keypoint_BLS[:, None]
            known_BNL1 = mask_BN[:, :, None, None] & seen_BL[:, None, :, None]
            shrunk_BNLS = shrunk_BNLS.where(known_BNL1, nowhere_S)
        return F.relu(self.mix(shrunk_BNLS.flatten(2).to(self.mix.weight.dtype)))

    def biases(
        self, context_BNC: Tensor, cells_BN: Tensor, keys_BN: Tensor
    ) -> Iterator[RelativeBias]:
        """Every block's bias in turn, for tokens on `cells_BN`, plus `keys_BN` on each key."""
        for tables_BNX in tables_by_block(self.table, context_BNC, self.depth):
            tables_BNHK = tables_BNX.unflatten(-1, (-1, BUCKETS + 1))
            yield RelativeBias(tables_BNHK, self.buckets_CC, cells_BN, keys_BN)
