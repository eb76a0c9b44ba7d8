"""Classes of pixels from logits: of a whole photo, or of the people of a photo put together.

Shape suffixes: H W sides of a photo, C classes, Y X sides of a map.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from model.sapiens.losses.parts import resized
from model.sapiens.prediction.people import PersonCrop


def largest(layers: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """The largest of at least one map (H, W), and the number (H, W) uint8 of the one that has it.

    Of equal ones the first. Maps are taken one by one, so that they need not fit into memory.
    """
    maps = iter(layers)
    best = next(maps).clone()
    number = torch.zeros_like(best, dtype=torch.uint8)
    for at, layer in enumerate(maps, 1):
        number[layer > best] = at
        torch.maximum(best, layer, out=best)
    return best, number


def parts_together(
    photo: tuple[int, int], crops: Sequence[PersonCrop], maps: Sequence[Tensor]
) -> NDArray[np.uint8]:
    """The classes (H, W) of a photo of size (height, width) from the logits (C, Y, X) of people.

    Where the crops of several show a pixel, that one decides whose best part stands out most from
    its background; what no crop shows is background.
    """
    label = np.zeros(photo, np.uint8)
    lead = np.full(photo, -np.inf, np.float32)
    for crop, map_CYX in zip(crops, maps, strict=True):
        corner, end = crop.centre - crop.scale / 2, crop.centre + crop.scale / 2
        left, top = (int(v) for v in np.clip(np.ceil(corner), 0, (photo[1], photo[0])))
        right, bottom = (int(v) for v in np.clip(np.floor(end) + 1, 0, (photo[1], photo[0])))
        if right <= left or bottom <= top:
            continue
        part = (slice(top, bottom), slice(left, right))
        parts, margin = _in_rectangle(crop, map_CYX, (left, top, right, bottom))
        decides = margin > lead[part]
        lead[part][decides] = margin[decides]
        label[part][decides] = np.where(margin > 0, parts, 0)[decides]
    return label


def _in_rectangle(
    crop: PersonCrop, map_CYX: Tensor, box: tuple[int, int, int, int]
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """The best part of each pixel of the photo in a box, and by how much it beats background."""
    left, top, right, bottom = box
    corner = crop.centre - crop.scale / 2
    # Sides of an input are counted from centre to centre, which is -1 to 1 here.
    xs, ys = (
        2 * (np.arange(first, last) - corner[axis]) / crop.scale[axis] - 1
        for axis, (first, last) in enumerate(((left, right), (top, bottom)))
    )
    grid = torch.stack(torch.meshgrid(_tensor(xs), _tensor(ys), indexing="xy"), -1)[None]
    grid = grid.to(map_CYX.device)

    def layer(channel_YX: Tensor) -> Tensor:
        large = resized(channel_YX.float()[None, None], crop.image.shape[:2])
        return F.grid_sample(large, grid, padding_mode="border", align_corners=True)[0, 0]

    best, number = largest(map(layer, map_CYX[1:]))
    lead = best - layer(map_CYX[0])
    return (number + 1).cpu().numpy(), lead.cpu().numpy()


def _tensor(values: NDArray[np.floating]) -> Tensor:
    return torch.from_numpy(np.asarray(values, np.float32))
