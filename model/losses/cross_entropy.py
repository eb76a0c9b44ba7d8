"""Softmax cross entropy over classes that are spread over ranks.

No rank sees another's logits: three numbers a sample cross the ranks, the largest logit, the sum of
the exponentials and the target's logit.

Shape suffixes: G samples of all ranks, C classes of this rank.
"""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import once_differentiable

from model.losses.collectives import max_over_ranks_, sum_over_ranks_


def sharded_cross_entropy(
    logits_GC: Tensor, target_G: Tensor, group: dist.ProcessGroup | None = None
) -> Tensor:
    """The mean loss of all samples over the classes of all ranks, the same scalar on every rank.

    `target_G` is the target's column on this rank, int64, or -1 where another rank has it; exactly
    one rank has it. The gradient of a rank's logits is that of this mean, exact and complete.
    """
    loss: Tensor = _ShardedCrossEntropy.apply(logits_GC, target_G, group)
    return loss


class _ShardedCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, logits_GC: Tensor, target_G: Tensor, group: dist.ProcessGroup | None
    ) -> Tensor:
        present_G1 = (target_G >= 0)[:, None]
        column_G1 = target_G.clamp_min(0)[:, None]
        shifted_GC = logits_GC - max_over_ranks_(logits_GC.amax(1, keepdim=True), group)
        # The logit crosses the ranks, not the probability: at scale 64 that can underflow.
        target_G1 = torch.where(present_G1, shifted_GC.gather(1, column_G1), 0.0)
        exp_GC = shifted_GC.exp_()
        sums_2G1 = torch.stack([exp_GC.sum(1, keepdim=True), target_G1])
        total_G1, target_G1 = sum_over_ranks_(sums_2G1, group)
        ctx.save_for_backward(exp_GC.div_(total_G1), column_G1, present_G1)
        loss: Tensor = (total_G1.log() - target_G1).mean()
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        probability_GC, column_G1, present_G1 = ctx.saved_tensors
        share = grad / len(probability_GC)
        # (probability - one-hot) times the share of a sample in the mean.
        grad_GC = probability_GC * share
        return grad_GC.scatter_add_(1, column_G1, -share * present_G1), None, None
