"""One affine warp of images and keypoints together.

A matrix (2, 3) leads from points of the result to points of the original, both counted from -1 to 1
over the image, as affine_grid has it; it scales, mirrors and shifts, and does not rotate. Colours
are counted from white, 0 being white and -2 black, since zero is what sampling finds outside a
picture.

Shape suffixes: B batch, C channels, H W image sides, K keypoints.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from model.sapiensid.regions import chosen
from webbody.skeleton import FLIP


def warp(images_BCHW: Tensor, matrix_B23: Tensor) -> Tensor:
    """The images, counted from white, as the matrices show them; white beyond the border."""
    scale_B2, centre_B2 = matrix_B23.diagonal(dim1=1, dim2=2), matrix_B23[..., 2]
    # Without rotation a place's x depends on its column alone; affine_grid takes 5 times as long.
    x_BW, y_BH = (
        torch.addcmul(centre_B2[:, axis, None], scale_B2[:, axis, None], _ticks(images_BCHW, side))
        for axis, side in ((0, -1), (1, -2))
    )
    grid = torch.broadcast_tensors(x_BW[:, None, :], y_BH[:, :, None])
    grid_BHW2 = torch.stack(grid, -1).to(images_BCHW.dtype)
    return F.grid_sample(images_BCHW, grid_BHW2, align_corners=False)


def _ticks(images_BCHW: Tensor, side: int) -> Tensor:
    """Where the pixels' centres are along a side, from -1 to 1."""
    count = images_BCHW.shape[side]
    return (2 * torch.arange(count, device=images_BCHW.device) + 1) / count - 1


def move(keypoints_BK3: Tensor, matrix_B23: Tensor) -> Tensor:
    """The keypoints in the warped images; left and right change places where it mirrors."""
    scale_B12 = torch.stack([matrix_B23[:, 0, 0], matrix_B23[:, 1, 1]], 1)[:, None]
    points_BK2 = (2 * keypoints_BK3[..., :2] - 1 - matrix_B23[:, None, :, 2]) / scale_B12
    points_BK2 = (points_BK2 + 1) / 2
    inside_BK1 = ((points_BK2 >= 0) & (points_BK2 <= 1)).all(-1, keepdim=True)
    moved_BK3 = torch.cat([points_BK2, keypoints_BK3[..., 2:] * inside_BK1], -1)
    moved_BK3 = moved_BK3.where(moved_BK3[..., 2:] > 0, 0)
    mirrored_B11 = (matrix_B23[:, 0, 0] < 0)[:, None, None]
    return chosen(moved_BK3, FLIP.tolist()).where(mirrored_B11, moved_BK3)
