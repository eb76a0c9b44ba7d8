"""Loss of relative depth. Shape suffixes: B batch, H W image sides."""

import torch
from torch import Tensor

#: Depths below it are not looked at; predictions are at least it.
LOWEST = 1e-6


def depth_loss(predicted_BHW: Tensor, target_BHW: Tensor) -> Tensor:
    """Root of the mean squared log difference less half of its squared mean (SILog), by image.

    Targets above 1e-6 count, which are those of people but for their nearest pixel (0 near, 1 far,
    -1 background); an image without any counts 0 in the mean. Gradients are finite also where a
    prediction is exact.
    """
    predicted_BN = predicted_BHW.float().flatten(1)
    target_BN = target_BHW.float().flatten(1)
    counted_BN = target_BN > LOWEST
    count_B = counted_BN.sum(1).clamp_min(1)
    difference_BN = target_BN.clamp_min(LOWEST).log() - predicted_BN.clamp_min(LOWEST).log()
    difference_BN = torch.where(counted_BN, difference_BN, 0)
    mean_B = difference_BN.sum(1) / count_B
    square_B = difference_BN.square().sum(1) / count_B - mean_B.square() / 2
    # The root has no finite slope at 0.
    some_B = square_B > 0
    roots_B = torch.where(some_B, square_B, 1).sqrt()
    return torch.where(some_B, roots_B, 0).mean()
