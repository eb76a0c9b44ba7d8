"""Loss of label maps. Shape suffixes: B batch, C classes, H W image sides."""

import torch.nn.functional as F
from torch import Tensor

from model.sapiens.vocabulary.parts import IGNORED


def part_loss(logits_BCHW: Tensor, labels_BHW: Tensor, class_weights_C: Tensor) -> Tensor:
    """Cross-entropy, weighted by class, averaged over all pixels, also those ignored.

    Logits are resampled to the labels' size. The sum of the weights does not divide it.
    """
    logits_BCHW = resized(logits_BCHW.float(), labels_BHW.shape[-2:])
    losses_BHW = F.cross_entropy(
        logits_BCHW, labels_BHW.long(), class_weights_C, ignore_index=IGNORED, reduction="none"
    )
    return losses_BHW.mean()


def resized(maps_BCHW: Tensor, size: tuple[int, ...]) -> Tensor:
    """Maps of another size, bilinear, corners not aligned."""
    if tuple(maps_BCHW.shape[-2:]) == tuple(size):
        return maps_BCHW
    return F.interpolate(maps_BCHW, size=tuple(size), mode="bilinear", align_corners=False)
