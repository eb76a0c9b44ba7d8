"""AdaFace: a margin that follows the quality of the image (Kim et al., CVPR 2022).

The norm of a feature stands for the quality of its image: seen against the running statistics of
all norms it becomes a quality q in [-1, 1]. A target at angle t gets the logit

    scale * (cos(t - margin * q) - margin * (1 + q))

and every other class scale * cos(t). Norms take no part in the gradient.

Shape suffixes: B batch, C classes.
"""

import math
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

EPSILON = 1e-3  # keeps angles off 0 and pi, where arccos has no slope, and the deviation off 0
MIN_NORM, MAX_NORM = 1e-3, 100.0

Gradient = Literal["exact", "straight-through"]


class AdaFace(nn.Module):
    """Turns cosines into margined, scaled logits; holds the running statistics of feature norms.

    `momentum` is the weight of a new batch in the statistics, `h` the share of their deviation
    that q keeps. `gradient` is "exact", or "straight-through" as CVLface trains: the values are
    the same, but the target's logit passes its gradient on as if it were scale * cos(t).
    Raises ValueError for an unknown gradient.
    """

    batch_mean: Tensor
    batch_std: Tensor

    def __init__(
        self,
        margin: float = 0.4,
        h: float = 0.333,
        scale: float = 64.0,
        momentum: float = 0.01,
        gradient: Gradient = "exact",
    ) -> None:
        super().__init__()
        if gradient not in get_args(Gradient):
            raise ValueError(f"gradient must be one of {get_args(Gradient)}, not {gradient!r}")
        self.margin, self.h, self.scale = margin, h, scale
        self.momentum = momentum
        self.gradient = gradient
        self.register_buffer("batch_mean", torch.full((1,), 20.0))
        self.register_buffer("batch_std", torch.full((1,), 100.0))

    @torch.no_grad()
    def update(self, norms_B: Tensor) -> None:
        """Moves the statistics towards a batch's; comes before its forward, in training only.

        Where ranks share a classifier, `norms_B` are those of all ranks.
        """
        norms_B = norms_B.clamp(MIN_NORM, MAX_NORM)
        self.batch_mean.lerp_(norms_B.mean(), self.momentum)
        if len(norms_B) > 1:  # one sample has no deviation
            self.batch_std.lerp_(norms_B.std(), self.momentum)

    @torch.no_grad()
    def quality(self, norms_B: Tensor) -> Tensor:
        """q in [-1, 1], from feature norms: 0 at their running mean, higher for a higher norm."""
        norms_B = norms_B.clamp(MIN_NORM, MAX_NORM)
        return (self.h * (norms_B - self.batch_mean) / (self.batch_std + EPSILON)).clamp(-1.0, 1.0)

    def forward(self, cosines_BC: Tensor, norms_B: Tensor, target_B: Tensor) -> Tensor:
        """Logits (B, C) of float32 cosines and of the norms of the features behind them.

        `target_B` is the target's column, int64, or -1 where it is not among these columns.
        Cosines are clamped to +-0.999; clamped ones pass no gradient.
        """
        column_B1 = target_B.clamp_min(0)[:, None]
        with torch.no_grad():
            cosine_B = _clamp(cosines_BC.gather(1, column_B1)[:, 0])
            value_B, slope_B = self._margined(cosine_B, self.quality(norms_B))
            present_B = target_B >= 0
            # A row without a target writes back what column 0 had: no shape depends on the data.
            value_B1 = torch.where(present_B, value_B, cosine_B)[:, None]
            slope_B1 = torch.where(present_B, slope_B, 1.0)[:, None]
        logits_BC: Tensor = _Logits.apply(cosines_BC, column_B1, value_B1, slope_B1, self.scale)
        return logits_BC

    def _margined(self, cosine_B: Tensor, quality_B: Tensor) -> tuple[Tensor, Tensor]:
        # The target's cosine with its margin, and the derivative that the backward pass uses.
        angle_B = cosine_B.acos()
        shifted_B = angle_B - self.margin * quality_B
        held_B = shifted_B.clamp(EPSILON, math.pi - EPSILON)
        value_B = held_B.cos() - self.margin * (1.0 + quality_B)
        if self.gradient == "straight-through":
            return value_B, torch.ones_like(value_B)
        return value_B, torch.where(held_B == shifted_B, held_B.sin() / angle_B.sin(), 0.0)

    def extra_repr(self) -> str:
        return f"margin={self.margin}, h={self.h}, scale={self.scale}, gradient={self.gradient!r}"


def _clamp(cosines: Tensor) -> Tensor:
    return cosines.clamp(EPSILON - 1.0, 1.0 - EPSILON)


class _Logits(torch.autograd.Function):
    """scale * clamped cosines, with one entry a row replaced by a value of known slope.

    Plain autograd would spend several more (B, C) tensors on the single entries.
    """

    @staticmethod
    def forward(
        ctx: Any,
        cosines_BC: Tensor,
        column_B1: Tensor,
        value_B1: Tensor,
        slope_B1: Tensor,
        scale: float,
    ) -> Tensor:
        ctx.save_for_backward(cosines_BC, column_B1, slope_B1)
        ctx.scale = scale
        return _clamp(cosines_BC).scatter_(1, column_B1, value_B1).mul_(scale)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_BC: Tensor) -> tuple[Tensor | None, ...]:
        cosines_BC, column_B1, slope_B1 = ctx.saved_tensors
        target_B1 = grad_BC.gather(1, column_B1) * slope_B1 * ctx.scale
        grad_BC = (grad_BC * ctx.scale).scatter_(1, column_B1, target_B1)
        return grad_BC.masked_fill_(cosines_BC.abs() > 1.0 - EPSILON, 0.0), None, None, None, None
