"""Losses of surface normals. Shape suffixes: B batch, H W image sides; 3 is x, y, z."""

import torch
import torch.nn.functional as F
from torch import Tensor

_SHORTEST = 1e-6


def normal_loss(predicted_B3HW: Tensor, target_B3HW: Tensor, mask_BHW: Tensor) -> Tensor:
    """The sum of both losses, each with weight 1."""
    return absolute_loss(predicted_B3HW, target_B3HW, mask_BHW) + angle_loss(
        predicted_B3HW, target_B3HW, mask_BHW
    )


def absolute_loss(predicted_B3HW: Tensor, target_B3HW: Tensor, mask_BHW: Tensor) -> Tensor:
    """Absolute difference, summed over x, y, z, without scaling; mean over the batch's mask."""
    found_BHW = (predicted_B3HW.float() - target_B3HW).abs().sum(1)
    return _mean(found_BHW, mask_BHW)


def angle_loss(predicted_B3HW: Tensor, target_B3HW: Tensor, mask_BHW: Tensor) -> Tensor:
    """One less the cosine of the angle to the unit normal; mean over the batch's mask.

    A prediction shorter than 1e-6 counts as one that long.
    """
    unit_B3HW = F.normalize(predicted_B3HW.float(), dim=1, eps=_SHORTEST)
    return _mean(1 - (unit_B3HW * target_B3HW).sum(1), mask_BHW)


def _mean(values_BHW: Tensor, mask_BHW: Tensor) -> Tensor:
    mask_BHW = mask_BHW.bool()
    total = torch.where(mask_BHW, values_BHW, 0).sum()
    return total / mask_BHW.sum().clamp_min(1)
