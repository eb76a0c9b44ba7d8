"""KP-RPE: a relative position bias that depends on where the keypoints are (Kim et al., CVPR 2024).

Every query token carries a small table with one logit bias per head and per bucket of relative
offsets, predicted from the token's position relative to the keypoints. The bias of a
query and a key is the query's table entry at the bucket of their offset. Buckets ("product", ratio
1.9) are fine near the query and coarse far from it.

Shape suffixes: B batch, N tokens, H heads, K buckets, C cells (in a context: its size).
"""

import math
from collections.abc import Iterator

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


class RelativeBias:
    """The attention bias of one block, kept as the queries' tables until it is needed.

    tables_BNHK: every query's table. cells_BN: each token's cell, an index into buckets_CC, which
    holds the bucket of every pair of cells; None if token i lies on cell i. keys_BN: a bias added
    to each key for every query and head, such as -inf for padding, or None.
    """

    def __init__(
        self,
        tables_BNHK: Tensor,
        buckets_CC: Tensor,
        cells_BN: Tensor | None = None,
        keys_BN: Tensor | None = None,
    ) -> None:
        self.tables_BNHK, self.buckets_CC = tables_BNHK, buckets_CC
        self.cells_BN, self.keys_BN = cells_BN, keys_BN

    def dense(self) -> Tensor:
        """The whole bias (B, H, N, N): entry (i, j) is query i's table at the bucket of i and j."""
        tables_BHNK = self.tables_BNHK.transpose(1, 2)
        buckets_BNN = self.buckets_CC
        if self.cells_BN is not None:
            buckets_BNN = buckets_BNN[self.cells_BN[:, :, None], self.cells_BN[:, None, :]]
        tokens = buckets_BNN.shape[-1]
        ids_BHNN = buckets_BNN.unsqueeze(-3).expand(*tables_BHNK.shape[:2], tokens, tokens)
        bias_BHNN = tables_BHNK.gather(-1, ids_BHNN)
        if self.keys_BN is not None:
            bias_BHNN = bias_BHNN + self.keys_BN[:, None, None].to(bias_BHNN.dtype)
        return bias_BHNN

    def add_to(self, score: Tensor, b: Tensor, h: Tensor, i: Tensor, j: Tensor) -> Tensor:
        """`score` of query i and key j with the bias added: a score_mod of FlexAttention."""
        cell_i, cell_j = i, j
        if self.cells_BN is not None:
            cell_i, cell_j = self.cells_BN[b, i], self.cells_BN[b, j]
        score = score + self.tables_BNHK[b, i, h, self.buckets_CC[cell_i, cell_j]]
        return score if self.keys_BN is None else score + self.keys_BN[b, j]


def tables_by_block(linear: nn.Linear, context_BNC: Tensor, depth: int) -> Iterator[Tensor]:
    """Every block's tables (B, N, X) in turn, from the linear map that holds those of all blocks.

    Made block by block: the tables and biases of all at once would dominate the memory. The map is
    cut once, so that its gradient is put together once.
    """
    for weight_XC, bias_X in zip(linear.weight.chunk(depth), linear.bias.chunk(depth), strict=True):
        yield F.linear(context_BNC, weight_XC, bias_X)
