"""Masked recognition: few tokens are kept, one mask token stands for all others (3.2).

Shape suffixes: B batch, T candidate patches, N tokens, R regions.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class KeptTokens:
    """The distribution of token counts in training steps (Eq. 6): mostly few, sometimes many.

    A draw is min + (max - min) exp(-decay U), with U uniform in [0, 1). The defaults give 112
    to 345 of 432 tokens, 166 on average, the paper's three figures (C.1). The ablation without
    variable counts is `min` equal to `max`.
    """

    min: float = 108.0
    max: float = 345.0
    decay: float = 4.0

    def __post_init__(self) -> None:
        if not (1 <= self.min <= self.max and self.decay > 0):
            raise ValueError(f"kept tokens need 1 <= min <= max and decay > 0, not {self}")

    def count(self, uniform: float) -> int:
        """Tokens kept for a draw `uniform` in [0, 1]."""
        return round(self.min + (self.max - self.min) * math.exp(-self.decay * uniform))

    @property
    def mean(self) -> float:
        """The expected count."""
        spread = (self.max - self.min) * (1 - math.exp(-self.decay)) / self.decay
        return self.min + spread


def first_tokens(kept_BT: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Candidates (B, count), the kept ones first and in order, and which of them are kept."""
    return _take(kept_BT, torch.arange(kept_BT.shape[1], 0, -1.0, device=kept_BT.device), count)


def random_tokens(
    kept_BT: Tensor,
    count: int,
    regions: int,
    noise_BT: Tensor,
    coarse_first_B: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """`count` of the kept candidates by chance, as first_tokens returns them.

    Those with the smallest of the uniform numbers `noise_BT` are taken. Images of `coarse_first_B`
    give up patches of the last region first, then of the one before: the published training does so
    for some images, so that faces get lost.
    """
    # In (0, 1]: a kept candidate always precedes one that is not.
    score_BT = 1 - noise_BT
    if coarse_first_B is not None:
        order_T = torch.arange(kept_BT.shape[1], device=kept_BT.device)
        coarseness_T = regions - 1 - order_T // (kept_BT.shape[1] // regions)
        score_BT = score_BT + coarseness_T * coarse_first_B[:, None]
    return _take(kept_BT, score_BT, count)


def _take(kept_BT: Tensor, score_BT: Tensor, count: int) -> tuple[Tensor, Tensor]:
    score_BT = score_BT.where(kept_BT, 0)
    score_BN, ids_BN = score_BT.topk(min(count, kept_BT.shape[1]), 1)
    return ids_BN, score_BN > 0


def mask_bias(masked_B: Tensor) -> Tensor:
    """Bias (B,) on the attention to the mask token when it stands for `masked_B` tokens.

    It equals repeating the mask token that often (Eqs. 4, 5, proof in A.5). An image without
    masked tokens still has it once, as in the published weights.
    """
    return masked_B.clamp_min(1).float().log()
