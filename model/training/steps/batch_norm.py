"""Batch norm over the samples of all ranks, so that a step does not depend on their number.

Shape suffixes: B samples of this rank, F features.
"""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from model.losses.collectives import rank_and_ranks, total_over_ranks


class GlobalBatchNorm(nn.BatchNorm1d):
    """BatchNorm1d whose statistics in training are those of the whole step.

    torch's SyncBatchNorm does the same on GPUs only. Every rank brings the same number of samples.
    """

    group: Any = None  # a process group; None is all processes

    def forward(self, input: Tensor) -> Tensor:
        x_BF = input
        if not self.training:
            return super().forward(x_BF)
        count = len(x_BF) * rank_and_ranks(self.group)[1]
        if count < 2:
            raise ValueError("batch norm needs at least two samples in a training step")
        with torch.autocast(x_BF.device.type, enabled=False):
            x_BF = x_BF.float()
            mean_F = total_over_ranks(x_BF.sum(0), self.group) / count
            centred_BF = x_BF - mean_F
            var_F = total_over_ranks(centred_BF.square().sum(0), self.group) / count
            with torch.no_grad():
                momentum = 0.1 if self.momentum is None else self.momentum
                assert self.running_mean is not None and self.running_var is not None
                self.running_mean.lerp_(mean_F, momentum)
                self.running_var.lerp_(var_F * count / (count - 1), momentum)
                assert self.num_batches_tracked is not None
                self.num_batches_tracked.add_(1)
            return centred_BF * (var_F + self.eps).rsqrt() * self.weight + self.bias


def share_statistics(model: nn.Module, group: dist.ProcessGroup | None = None) -> None:
    """Turns the model's BatchNorm1d layers, in place, into norms over all ranks."""
    for module in model.modules():
        if type(module) is nn.BatchNorm1d:
            module.__class__ = GlobalBatchNorm
        if isinstance(module, GlobalBatchNorm):
            module.group = group
