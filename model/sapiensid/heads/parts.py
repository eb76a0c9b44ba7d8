"""Part features: what the tokens around every keypoint hold (paper 3.3, A.2).

Shape suffixes: B batch, N tokens, K keypoints, P = K * offsets parts, D width, E half of it.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.sapiensid.heads.encoded import Encoded

LAMBDA = 0.8 - 0.6 * math.exp(-0.3)  # start of the second map's share, for a first layer


class DifferentialAttention(nn.Module):
    """Attention by the difference of two softmax maps, one head (Ye et al., ICLR 2025)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.q = nn.Linear(width, width, bias=False)
        self.k = nn.Linear(width, width, bias=False)
        self.v = nn.Linear(width, width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.lambda_q1, self.lambda_k1, self.lambda_q2, self.lambda_k2 = (
            nn.Parameter(torch.empty(width // 2).normal_(std=0.1)) for _ in range(4)
        )

    def maps(self, queries_BPD: Tensor, keys_BND: Tensor, mask_BN: Tensor) -> Tensor:
        """The attention of every part to every token: (B, P, N), with negative entries."""
        q_B2PE = self.q(queries_BPD).unflatten(-1, (2, -1)).transpose(1, 2)
        k_B2NE = self.k(keys_BND).unflatten(-1, (2, -1)).transpose(1, 2)
        logits_B2PN = q_B2PE @ k_B2NE.transpose(-1, -2) * q_B2PE.shape[-1] ** -0.5
        logits_B2PN = logits_B2PN.masked_fill(~mask_BN[:, None, None], -torch.inf)
        first_BPN, second_BPN = logits_B2PN.softmax(-1, dtype=torch.float32).unbind(1)
        share = (self.lambda_q1 * self.lambda_k1).sum().exp() + LAMBDA
        share = share - (self.lambda_q2 * self.lambda_k2).sum().exp()
        weights_BPN: Tensor = first_BPN - share * second_BPN
        return weights_BPN

    def forward(
        self, queries_BPD: Tensor, keys_BND: Tensor, values_BND: Tensor, mask_BN: Tensor
    ) -> Tensor:
        maps_BPN = self.maps(queries_BPD, keys_BND, mask_BN)
        pooled_BPD = maps_BPN.to(values_BND.dtype) @ self.v(values_BND)
        pooled_BPD = F.rms_norm(pooled_BPD.float(), pooled_BPD.shape[-1:], eps=1e-5)
        parts_BPD: Tensor = self.out((pooled_BPD * (1 - LAMBDA)).to(pooled_BPD.dtype))
        return parts_BPD


class PartFeatures(nn.Module):
    """Part features around every keypoint.

    A part is a keypoint with one of `offsets` learned offsets (Eq. 7). Each gives two vectors: the
    attention's (Eq. 12), and the value at its peak, that is of the token whose position is most
    similar to the part's ("top1", as in the published weights) or their softmax ("softmax",
    Eq. 13). Both are zero where the keypoint is missing.
    """

    def __init__(self, width: int, keypoints: int, offsets: int = 4, peak: str = "top1") -> None:
        super().__init__()
        if peak not in ("top1", "softmax"):
            raise ValueError(f"peak must be top1 or softmax, not {peak!r}")
        self.repeats, self.peak = offsets, peak
        self.offsets_PD = nn.Parameter(torch.empty(keypoints * offsets, width).normal_(std=0.02))
        self.attention = DifferentialAttention(width)

    def queries(self, keypoint_positions_BKD: Tensor) -> Tensor:
        """Position of each part (B, P, D) from its keypoint's position embedding (Eq. 7)."""
        return keypoint_positions_BKD.repeat_interleave(self.repeats, 1) + self.offsets_PD

    def parts(self, encoded: Encoded) -> Tensor:
        """Part features (B, 2 P, D): those of the attention, then those of the peaks.

        Of clips their means over the frames in which the keypoint is visible.
        """
        queries_BPD = self.queries(encoded.keypoint_positions_BKD)
        tokens_BND, keys_BND, mask_BN = encoded.tokens_BND, encoded.positions_BND, encoded.mask_BN
        pooled_BPD = self.attention(queries_BPD, keys_BND, tokens_BND, mask_BN)
        peak_BPD = self._peak(queries_BPD, keys_BND, tokens_BND, mask_BN)
        parts_BPD = torch.cat([pooled_BPD, peak_BPD.to(pooled_BPD.dtype)], 1)
        return encoded.over_frames(parts_BPD, self._visible(encoded))[0]

    def seen(self, encoded: Encoded) -> Tensor:
        """Which part features (B, 2 P) are of a keypoint that is there, in any frame of a clip."""
        visible_BP = self._visible(encoded)
        return encoded.over_frames(visible_BP[..., None], visible_BP)[1]

    def _visible(self, encoded: Encoded) -> Tensor:
        return encoded.visible_BK.repeat_interleave(self.repeats, 1).repeat(1, 2)

    def _peak(
        self, queries_BPD: Tensor, keys_BND: Tensor, tokens_BND: Tensor, mask_BN: Tensor
    ) -> Tensor:
        # In full precision: neighbouring positions are so alike that rounding changes the choice.
        with torch.autocast(queries_BPD.device.type, enabled=False):
            queries_BPD, keys_BND = queries_BPD.float(), keys_BND.float()
            if self.peak == "top1":
                cosine_BPN = F.normalize(queries_BPD, dim=-1) @ F.normalize(keys_BND, dim=-1).mT
                best_BP = cosine_BPN.masked_fill(~mask_BN[:, None], -torch.inf).argmax(-1)
                return tokens_BND.gather(1, best_BP[..., None].expand(-1, -1, tokens_BND.shape[-1]))
            logits_BPN = queries_BPD @ keys_BND.mT * queries_BPD.shape[-1] ** -0.5
            weights_BPN = logits_BPN.masked_fill(~mask_BN[:, None], -torch.inf).softmax(-1)
        pooled_BPD: Tensor = weights_BPN.to(tokens_BND.dtype) @ tokens_BND
        return pooled_BPD
