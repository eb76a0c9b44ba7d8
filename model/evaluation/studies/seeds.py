"""A seed for each image, without a number of its own: a hash of its keypoints.

Shape suffixes: B batch, K keypoints, X numbers of an image.
"""

import torch
from torch import Tensor

from model.random_numbers import mix
from model.sapiensid.sapiensid import visible_inside


def image_seeds(keypoints_BK3: Tensor) -> Tensor:
    """Int64 seeds (B,) that depend on the visible keypoints inside each image, to the last bit.

    Images without any share a seed.
    """
    bits_BX = visible_inside(keypoints_BK3.float()).flatten(1).view(torch.int32).long()
    place_X = torch.arange(bits_BX.shape[1], device=bits_BX.device)
    return mix(bits_BX + mix(place_X)).sum(1)
