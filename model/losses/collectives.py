"""The collective operations of a batch that is spread over ranks; one process needs none of them.

Every rank brings the same number of samples to a step. Nothing here waits for the device.

Shape suffixes: B samples of this rank, G samples of all ranks (in the order of the ranks).
"""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import once_differentiable


def rank_and_ranks(group: dist.ProcessGroup | None) -> tuple[int, int]:
    """This process's rank in the group (None: all processes), and how many there are."""
    if not _distributed():
        return 0, 1
    return dist.get_rank(group), dist.get_world_size(group)


def sum_over_ranks_(x: Tensor, group: dist.ProcessGroup | None) -> Tensor:
    """`x`, overwritten with its sum over the ranks."""
    if _distributed():
        dist.all_reduce(x, dist.ReduceOp.SUM, group=group)
    return x


def max_over_ranks_(x: Tensor, group: dist.ProcessGroup | None) -> Tensor:
    """`x`, overwritten with its maximum over the ranks."""
    if _distributed():
        dist.all_reduce(x, dist.ReduceOp.MAX, group=group)
    return x


def gather_batch(x_B: Tensor, group: dist.ProcessGroup | None) -> Tensor:
    """The samples of all ranks, (B, ...) to (G, ...).

    The gradient of a rank's samples is the sum of what every rank found for them, times the number
    of ranks: DistributedDataParallel averages over the ranks, which gives the sum back.
    """
    return _GatherBatch.apply(x_B, group) if _distributed() else x_B


class _GatherBatch(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x_B: Tensor, group: dist.ProcessGroup | None) -> Tensor:
        ctx.group = group
        ctx.ranks = dist.get_world_size(group)
        x_G = x_B.new_empty(ctx.ranks * x_B.shape[0], *x_B.shape[1:])
        dist.all_gather_into_tensor(x_G, x_B.contiguous(), group=group)
        return x_G

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_G: Tensor) -> tuple[Tensor, None]:
        grad_B = grad_G.new_empty(grad_G.shape[0] // ctx.ranks, *grad_G.shape[1:])
        dist.reduce_scatter_tensor(grad_B, grad_G.contiguous(), group=ctx.group)
        return grad_B.mul_(ctx.ranks), None


def total_over_ranks(x: Tensor, group: dist.ProcessGroup | None) -> Tensor:
    """The sum of `x` over the ranks, with its gradient.

    The gradient is the sum of those of all ranks, as every rank's result depends on every `x`.
    """
    return _Total.apply(x, group) if _distributed() else x


class _Total(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, group: dist.ProcessGroup | None) -> Tensor:
        ctx.group = group
        return sum_over_ranks_(x.clone(), group)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return sum_over_ranks_(grad.clone(), ctx.group), None


def _distributed() -> bool:
    return dist.is_available() and dist.is_initialized()
