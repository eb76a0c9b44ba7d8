"""Other backgrounds: what is not a person becomes white, or colours of chance.

Colours are counted from white, 0 being white and -2 black, as augment has them. White padding stays
as it is.

Shape suffixes: B batch, C channels, H W image sides.
"""

import torch.nn.functional as F
from torch import Tensor

from model.random_numbers import uniform
from model.training.steps.photometric import inside

FILLS = ("white", "noise", "mixed")
_CHOICE, _NOISE = 5, 6  # streams; the others are those of augment
#: Colours of chance along a side; between them they are mixed.
_GRID = 8


def is_changed(seeds_B: Tensor, share: float) -> Tensor:
    """Whether images with these seeds are among the share with another background (B,)."""
    return uniform(seeds_B, 2, _CHOICE)[:, 0] < share


def change_background(
    images_BCHW: Tensor, foreground_BHW: Tensor, seeds_B: Tensor, share: float, fill: str
) -> Tensor:
    """A share of the images with another background, by the chances of each image's int64 seed.

    foreground_BHW: uint8, above 127 where a person is. fill: "white", "noise" (colours that run
    into one another), or "mixed", one or the other.
    """
    changed_B = is_changed(seeds_B, share)
    away_B1HW = (foreground_BHW <= 127)[:, None] & changed_B[:, None, None, None]
    if fill == "white":
        return images_BCHW.masked_fill(away_B1HW, 0)
    colours = uniform(seeds_B, 3 * _GRID**2, _NOISE).view(-1, 3, _GRID, _GRID) * -2
    if fill == "mixed":
        white_B = uniform(seeds_B, 2, _CHOICE)[:, 1] < 0.5
        colours = colours.masked_fill(white_B[:, None, None, None], 0)
    noise_BCHW = F.interpolate(
        colours, size=images_BCHW.shape[-2:], mode="bilinear", align_corners=True
    )
    return noise_BCHW.where(away_B1HW & inside(images_BCHW), images_BCHW)
