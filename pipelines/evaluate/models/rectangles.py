"""Rectangles of images, each resized to one size, in a batch.

Shape suffixes: B batch, C channels, H, W image sides, X pixels of a side, R, S sides of the result,
O pixels of one of these, 2 the start and the end of a rectangle along a side.
"""

import torch
from torch import Tensor

from model.sapiensid.retina_patch import content


def unpadded(images_BCHW: Tensor) -> tuple[Tensor, Tensor]:
    """The rows and the columns (B, 2) of images in [-1, 1] that are no white padding, from, to.

    Padding is on both sides of one axis, to a pixel as wide on the one as on the other; so white
    parts of a picture itself are left to it, unless they lie along its padding.
    """
    rows_B2, columns_B2 = (_within(inside_BX) for inside_BX in content(images_BCHW))
    less_B1 = _length(rows_B2) < _length(columns_B2)
    whole_B2 = rows_B2.new_tensor([0, images_BCHW.shape[-1]]).expand_as(rows_B2)
    return rows_B2.where(less_B1, whole_B2), columns_B2.where(~less_B1, whole_B2)


def _within(inside_BX: Tensor) -> Tensor:
    count = inside_BX.shape[1]
    numbers = inside_BX.int()
    before_B, behind_B = numbers.argmax(1), numbers.flip(1).argmax(1)
    start_B, end_B = before_B.minimum(behind_B + 1), count - behind_B.minimum(before_B + 1)
    return torch.stack([start_B, end_B], 1)


def _length(span_B2: Tensor) -> Tensor:
    return (span_B2[:, 1] - span_B2[:, 0])[:, None]


def resize(
    images_BCHW: Tensor,
    rows_B2: Tensor,
    columns_B2: Tensor,
    size: tuple[int, int],
    interpolation: str,
) -> Tensor:
    """The rectangles as images (B, C, R, S) of a size, by Pillow's `bilinear` or `bicubic` filter.

    That is wider where it makes smaller, so that no pixel is passed over.
    """
    # In bfloat16 the pixels would be rounded.
    with torch.autocast(images_BCHW.device.type, enabled=False):
        down_BRH = _weights(rows_B2, images_BCHW.shape[2], size[0], interpolation)
        across_BSW = _weights(columns_B2, images_BCHW.shape[3], size[1], interpolation)
        return down_BRH[:, None] @ images_BCHW.float() @ across_BSW.mT[:, None]


def _weights(span_B2: Tensor, count: int, size: int, interpolation: str) -> Tensor:
    """What each of `count` pixels adds to those of the result (B, O, X); no pixel outside does."""
    start_B11, end_B11 = span_B2.float()[:, :, None, None].unbind(1)
    scale_B11 = (end_B11 - start_B11) / size
    place_O1 = torch.arange(size, device=span_B2.device)[:, None] + 0.5
    centre_X = torch.arange(count, device=span_B2.device) + 0.5
    away_BOX = (centre_X - start_B11 - place_O1 * scale_B11).abs() / scale_B11.clamp_min(1)
    weight_BOX = _cubic(away_BOX) if interpolation == "bicubic" else (1 - away_BOX).clamp_min(0)
    weight_BOX = weight_BOX * ((centre_X > start_B11) & (centre_X < end_B11))
    return weight_BOX / weight_BOX.sum(2, keepdim=True)


def _cubic(x: Tensor) -> Tensor:
    """Keys (1981), with a = -0.5."""
    near, far = (1.5 * x - 2.5) * x * x + 1, ((-0.5 * x + 2.5) * x - 4) * x + 2
    return near.where(x < 1, far.where(x < 2, 0))
