"""Aligned faces of samples: one warp on the device, the same that the build's faces stage does.

Colours are counted from white, 0 being white and -2 black, as model.warp has them.

Shape suffixes: B batch, C channels, H W image sides, K keypoints, L the five landmarks.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from model.sapiensid.regions import chosen
from model.sapiensid.retina_patch import content
from webbody.geometry import FACE_SIDE, FACE_TEMPLATE
from webbody.skeleton import FACE5

#: Where each landmark lands when a face is mirrored.
_MIRRORED = (1, 0, 2, 4, 3)


def landmarks_of(keypoints_BK3: Tensor) -> tuple[Tensor, Tensor]:
    """The five landmarks (B, 5, 2) of samples' keypoints, and whether all are visible (B,)."""
    points_BL3 = chosen(keypoints_BK3, FACE5.tolist())
    return points_BL3[..., :2], (points_BL3[..., 2] > 0).all(1)


def to_template(landmarks_BL2: Tensor) -> tuple[Tensor, Tensor]:
    """Turn (B, 2) and shift (B, 2) that bring landmarks, in pixels, closest to the template.

    As complex numbers: a point p lands at turn * p + shift. webbody.geometry.similarities on the
    device. Coinciding points give a turn of zero.
    """
    template_L2 = torch.tensor(FACE_TEMPLATE, device=landmarks_BL2.device)
    goal_2 = template_L2.mean(0)
    centre_B2 = landmarks_BL2.mean(1)
    away_BL2, there_L2 = landmarks_BL2 - centre_B2[:, None], template_L2 - goal_2
    spread_B = away_BL2.square().sum((1, 2))
    real_B = (away_BL2 * there_L2).sum((1, 2))
    imaginary_B = (away_BL2[..., 0] * there_L2[:, 1] - away_BL2[..., 1] * there_L2[:, 0]).sum(1)
    turn_B2 = (
        torch.stack([real_B, imaginary_B], 1) / spread_B.where(spread_B > 0, torch.inf)[:, None]
    )
    return turn_B2, goal_2 - _times(turn_B2, centre_B2)


def aligned(
    images_BCHW: Tensor,
    landmarks_BL2: Tensor,
    found_BL2: Tensor | None = None,
    mirrored_B: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """The faces (B, C, 112, 112) of samples, black beyond the picture, and their landmarks.

    Args:
        images_BCHW: Squares, padded with white, counted from white.
        landmarks_BL2: Fractions of the square, image-left eye first.
        found_BL2: Landmarks that the faces are aligned by; None: `landmarks_BL2`. These are
            returned in the aligned face.
        mirrored_B: Whether a face is mirrored.

    Returns:
        Faces, counted from white, and landmarks as fractions of them.
    """
    side = images_BCHW.shape[-1]
    found_BL2 = (landmarks_BL2 if found_BL2 is None else found_BL2) * side
    turn_B2, shift_B2 = to_template(found_BL2)
    marks_BL2 = _times(turn_B2[:, None], found_BL2) + shift_B2[:, None]
    back_B2 = turn_B2 * turn_B2.new_tensor([1, -1]) / turn_B2.square().sum(1, keepdim=True)
    start_B2 = -_times(back_B2, shift_B2)
    # From places of the face to those of the picture, both from -1 to 1; a pixel's place is that
    # of its centre.
    real_B, imaginary_B = (back_B2 * (FACE_SIDE / side)).unbind(1)
    corner_2 = back_B2.new_tensor([(FACE_SIDE - 1) / 2] * 2)
    centre_B2 = (2 * (start_B2 + _times(back_B2, corner_2)) + 1) / side - 1
    rows = [
        torch.stack([real_B, -imaginary_B, centre_B2[:, 0]], 1),
        torch.stack([imaginary_B, real_B, centre_B2[:, 1]], 1),
    ]
    matrix_B23 = torch.stack(rows, 1)
    if mirrored_B is not None:
        sign_B = 1 - 2 * mirrored_B.float()
        matrix_B23 = torch.cat(
            [matrix_B23[..., :1] * sign_B[:, None, None], matrix_B23[..., 1:]], 2
        )
        flipped_BL2 = chosen(marks_BL2, _MIRRORED)
        flipped_BL2 = torch.stack([FACE_SIDE - 1 - flipped_BL2[..., 0], flipped_BL2[..., 1]], -1)
        marks_BL2 = flipped_BL2.where(mirrored_B[:, None, None], marks_BL2)
    return _sampled(images_BCHW, matrix_B23), marks_BL2 / FACE_SIDE


def _sampled(images_BCHW: Tensor, matrix_B23: Tensor) -> Tensor:
    """What the matrices show; black where there is no picture, as in the faces stage."""
    rows_BH, columns_BW = content(images_BCHW, white=0.0)
    inside_B1HW = rows_BH[:, None, :, None] & columns_BW[:, None, None, :]
    # Counted from black: zero is what sampling finds outside.
    light_BCHW = (images_BCHW + 2) * inside_B1HW
    shape = (len(images_BCHW), images_BCHW.shape[1], FACE_SIDE, FACE_SIDE)
    grid_BHW2 = F.affine_grid(matrix_B23, list(shape), align_corners=False)
    faces_BCHW = F.grid_sample(light_BCHW, grid_BHW2.to(light_BCHW.dtype), align_corners=False)
    return faces_BCHW - 2


def _times(first: Tensor, second: Tensor) -> Tensor:
    """The products of complex numbers (..., 2)."""
    real = first[..., 0] * second[..., 0] - first[..., 1] * second[..., 1]
    imaginary = first[..., 0] * second[..., 1] + first[..., 1] * second[..., 0]
    return torch.stack([real, imaginary], -1)
