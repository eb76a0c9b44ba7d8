"""Changes of colour and of detail, for a whole batch with numbers of each image's own.

Colours are counted from white, 0 being white and -2 black, as augment has them. White padding stays
as it is.

Shape suffixes: B batch, C channels, H W image sides.
"""

import math

import torch.nn.functional as F
from torch import Tensor

from model.sapiensid.retina_patch import content


def recolour(
    images_BCHW: Tensor, brightness_B: Tensor, contrast_B: Tensor, saturation_B: Tensor
) -> Tensor:
    """Images whose brightness, contrast and saturation, in this order, are multiplied.

    1 changes nothing, a saturation of 0 is gray. Contrast is around the mean brightness of what is
    not padding. Beyond black and white is cut off.
    """
    inside_B1HW = inside(images_BCHW)
    light_BCHW = images_BCHW / 2 + 1
    red_BHW, green_BHW, blue_BHW = light_BCHW.unbind(1)
    gray_B1HW = (0.299 * red_BHW + 0.587 * green_BHW + 0.114 * blue_BHW)[:, None]
    sizes_B = inside_B1HW.sum((1, 2, 3)).clamp_min(1)
    mean_B = (gray_B1HW * inside_B1HW).sum((1, 2, 3)) / sizes_B
    # The three in one: each is a sum of the colour, its gray and the mean.
    colour_B = brightness_B * contrast_B * saturation_B
    gray_B = brightness_B * contrast_B * (1 - saturation_B)
    rest_B = brightness_B * (1 - contrast_B) * mean_B
    changed_BCHW = _each(colour_B) * light_BCHW + _each(gray_B) * gray_B1HW + _each(rest_B)
    return (2 * changed_BCHW.clamp(0, 1) - 2).where(inside_B1HW, images_BCHW)


def soften(images_BCHW: Tensor, resolution_B: Tensor, least: float) -> Tensor:
    """Images with the detail that is left by that fraction of their side, `least` to 1.

    As if made smaller and large again; fractions other than 1/2, 1/4, ... are mixed of the two
    next to them, so that one calculation serves the batch.
    """
    inside_B1HW = inside(images_BCHW)
    level_B = -resolution_B.log2()
    out_BCHW = images_BCHW * _each((1 - level_B).clamp_min(0))
    smaller = images_BCHW
    for level in range(1, math.ceil(-math.log2(least)) + 1):
        smaller = F.avg_pool2d(smaller, 2)
        large_BCHW = F.interpolate(smaller, size=images_BCHW.shape[-2:], mode="bilinear")
        out_BCHW = out_BCHW + large_BCHW * _each((1 - (level_B - level).abs()).clamp_min(0))
    return out_BCHW.where(inside_B1HW, images_BCHW)


def inside(images_BCHW: Tensor) -> Tensor:
    """Where an image (B, 1, H, W) is not its white padding."""
    rows_BH, columns_BW = content(images_BCHW, white=0.0)
    return rows_BH[:, None, :, None] & columns_BW[:, None, None, :]


def _each(numbers_B: Tensor) -> Tensor:
    return numbers_B[:, None, None, None]
