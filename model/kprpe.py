"""KP-RPE: a relative position bias that depends on where the keypoints are (Kim et al., CVPR 2024).

Every query token carries a small table with one logit bias per head and per bucket of relative
offsets; a linear map of the token's position relative to the keypoints predicts it. The bias of a
query and a key is the query's table entry at the bucket of their offset. Buckets ("product", ratio
1.9) are fine near the query and coarse far from it.

Shape suffixes: B batch, N tokens, H heads, K buckets, L landmarks, C context size.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ALPHA, BETA, GAMMA = 1.9, 3.8, 15.2
REACH = 3  # largest bucket of one axis
BUCKETS = (2 * REACH + 1) ** 2  # 49


def axis_bucket(offset: int) -> int:
    """Bucket, -3 to 3, of an offset in cells along one axis: exact up to 1, then logarithmic."""
    size = abs(offset)
    if size <= ALPHA:
        return offset
    log_bucket = ALPHA + math.log(size / ALPHA) / math.log(GAMMA / ALPHA) * (BETA - ALPHA)
    return int(math.copysign(min(round(log_bucket), BETA), offset))


def bucket_map(rows: list[int], columns: list[int]) -> Tensor:
    """Bucket ids, 0 to 48, of every query (first axis) and key: int64 (N, N) on the CPU.

    Takes the cells of N tokens. The id is 7 (row bucket + 3) + column bucket + 3.
    """
    # The device is named so that a model built on the meta device still holds a real map.
    cells_N2 = torch.tensor(list(zip(rows, columns, strict=True)), device="cpu")
    span = int((cells_N2.amax(0) - cells_N2.amin(0)).max())
    per_axis = torch.tensor([axis_bucket(d) + REACH for d in range(-span, span + 1)], device="cpu")
    ids_NN2 = per_axis[cells_N2[:, None] - cells_N2[None] + span]
    return ids_NN2[..., 0] * (2 * REACH + 1) + ids_NN2[..., 1]


def lookup_bias(table_BNHK: Tensor, buckets_NN: Tensor) -> Tensor:
    """Attention bias (B, H, N, N): entry (i, j) is query i's table at bucket (i, j).

    `buckets_NN` is int64, (N, N) or (B, N, N) when the samples' tokens lie on different cells.
    """
    table_BHNK = table_BNHK.transpose(1, 2)
    batch, heads, tokens, _ = table_BHNK.shape
    ids_BHNN = buckets_NN.unsqueeze(-3).expand(batch, heads, tokens, tokens)
    return table_BHNK.gather(-1, ids_BHNN)


def grid_centres(side: int) -> Tensor:
    """Centres (x, y) in [0, 1] of a side x side grid, row by row: (side * side, 2)."""
    ticks = (torch.arange(side, device="cpu") + 0.5) / side
    y, x = torch.meshgrid(ticks, ticks, indexing="ij")
    return torch.stack([x, y], -1).flatten(0, 1)


class LandmarkBias(nn.Linear):
    """Biases of all blocks of a face ViT from its landmarks; starts as no bias at all.

    The context of a token is its centre minus each landmark, 2 L numbers. Rows of the weight are
    ordered block, head, bucket. Nothing is shared between blocks or heads.
    """

    buckets_NN: Tensor
    centres_N2: Tensor

    def __init__(self, side: int, landmarks: int, depth: int, heads: int) -> None:
        super().__init__(2 * landmarks, depth * heads * BUCKETS)
        self.heads = heads
        rows, columns = zip(*((i // side, i % side) for i in range(side * side)), strict=True)
        self.register_buffer("buckets_NN", bucket_map(list(rows), list(columns)), persistent=False)
        self.register_buffer("centres_N2", grid_centres(side), persistent=False)

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.weight)
        nn.init.zeros_(self.bias)

    def context(self, landmarks_BL2: Tensor) -> Tensor:
        """Token centres relative to the landmarks (x, y in [0, 1]): (B, N, C)."""
        return (self.centres_N2[:, None] - landmarks_BL2[:, None]).flatten(2)

    def block_bias(self, context_BNC: Tensor, block: int) -> Tensor:
        """The attention bias (B, H, N, N) of one block.

        Made block by block: the tables and biases of all at once would dominate the memory.
        """
        rows = slice(block * self.heads * BUCKETS, (block + 1) * self.heads * BUCKETS)
        table_BNX = F.linear(context_BNC, self.weight[rows], self.bias[rows])
        return lookup_bias(table_BNX.unflatten(-1, (self.heads, BUCKETS)), self.buckets_NN)
