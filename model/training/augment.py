"""One affine warp for all geometric augmentation, of images and keypoints together.

Zoom, shift, aspect, flip and the zoom to the face become one matrix per image, so that pixels are
resampled once; what comes from outside the picture is white, like the padding.

Shape suffixes: B batch, H W image sides, K keypoints.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from webbody.skeleton import FACE, FLIP


@dataclass(frozen=True)
class Augment:
    """How much images are changed in training; the defaults are the paper's (A.1).

    zoom and aspect: ranges of the factors. shift: largest move, as a fraction of the image. flip:
    share of mirrored images. face_zoom: share of the images with a visible face that show the face
    only, its keypoints' extent then being `face_extent` of the image (a range). The paper gives
    the share of zoomed-in faces, 0.4, not how close they are.
    """

    zoom: tuple[float, float] = (0.9, 1.1)
    aspect: tuple[float, float] = (0.95, 1.05)
    shift: float = 0.05
    flip: float = 0.5
    face_zoom: float = 0.4
    face_extent: tuple[float, float] = (0.3, 0.5)

    def __post_init__(self) -> None:
        for name in ("zoom", "aspect", "face_extent"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise ValueError(f"{name} must be a range above 0, not {low} to {high}")
        for name in ("shift", "flip", "face_zoom"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be in [0, 1], not {getattr(self, name)}")

    def __call__(self, images_BCHW: Tensor, keypoints_BK3: Tensor) -> tuple[Tensor, Tensor]:
        """Warped images and keypoints, drawn from torch's random state.

        images_BCHW: in [-1, 1], 1 being white. keypoints_BK3: fractions of the image and
        visibility; a point that leaves the image becomes invisible.
        """
        matrix_B23 = self.draw(keypoints_BK3)
        warped_BCHW = warp(images_BCHW, matrix_B23)
        return warped_BCHW, move(keypoints_BK3, matrix_B23)

    def draw(self, keypoints_BK3: Tensor) -> Tensor:
        """For each image the matrix (2, 3) from points of the result to points of the original.

        Both are counted from -1 to 1 over the image, as affine_grid has it.
        """
        batch, device = len(keypoints_BK3), keypoints_BK3.device

        def uniform(low: float, high: float) -> Tensor:
            return torch.empty(batch, device=device).uniform_(low, high)

        centre_B2 = torch.zeros(batch, 2, device=device)
        half_B = torch.ones(batch, device=device)  # half the side of what is shown
        if self.face_zoom > 0:
            face_B2, extent_B, has_face_B = _face(keypoints_BK3)
            chosen_B = has_face_B & (uniform(0, 1) < self.face_zoom)
            # A close-up keeps its size: a face is enlarged, never shrunk.
            close_B = (extent_B / uniform(*self.face_extent)).clamp(max=1.0)
            centre_B2 = face_B2.where(chosen_B[:, None], centre_B2)
            half_B = close_B.where(chosen_B, half_B)
        half_B = half_B / uniform(*self.zoom)
        stretch_B = uniform(*self.aspect).sqrt()
        centre_B2 = centre_B2 + half_B[:, None] * torch.stack(
            [uniform(-2 * self.shift, 2 * self.shift), uniform(-2 * self.shift, 2 * self.shift)], 1
        )
        mirror_B = 1 - 2 * (uniform(0, 1) < self.flip).float()
        zero_B = torch.zeros_like(half_B)
        return torch.stack(
            [
                torch.stack([mirror_B * half_B * stretch_B, zero_B, centre_B2[:, 0]], 1),
                torch.stack([zero_B, half_B / stretch_B, centre_B2[:, 1]], 1),
            ],
            1,
        )


def warp(images_BCHW: Tensor, matrix_B23: Tensor) -> Tensor:
    """The images as the matrices show them; white (1) where they look beyond the border."""
    grid_BHW2 = F.affine_grid(matrix_B23, list(images_BCHW.shape), align_corners=False)
    # Zeros beyond the border are white once white is zero.
    shifted_BCHW = F.grid_sample(
        images_BCHW - 1, grid_BHW2.to(images_BCHW.dtype), align_corners=False
    )
    return shifted_BCHW + 1


def move(keypoints_BK3: Tensor, matrix_B23: Tensor) -> Tensor:
    """The keypoints in the warped images; left and right change places where it mirrors."""
    scale_B12 = torch.stack([matrix_B23[:, 0, 0], matrix_B23[:, 1, 1]], 1)[:, None]
    points_BK2 = (2 * keypoints_BK3[..., :2] - 1 - matrix_B23[:, None, :, 2]) / scale_B12
    points_BK2 = (points_BK2 + 1) / 2
    inside_BK1 = ((points_BK2 >= 0) & (points_BK2 <= 1)).all(-1, keepdim=True)
    moved_BK3 = torch.cat([points_BK2, keypoints_BK3[..., 2:] * inside_BK1], -1)
    moved_BK3 = moved_BK3.where(moved_BK3[..., 2:] > 0, 0)
    mirrored_B11 = (matrix_B23[:, 0, 0] < 0)[:, None, None]
    flip_K = torch.as_tensor(FLIP, device=keypoints_BK3.device)
    return moved_BK3[:, flip_K].where(mirrored_B11, moved_BK3)


def _face(keypoints_BK3: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Centre (B, 2) from -1 to 1, extent as a fraction of the image, and whether there is one.

    A face needs three of its five points; fewer tell neither its size nor its place.
    """
    points_BK2 = keypoints_BK3[:, list(FACE), :2]
    seen_BK1 = keypoints_BK3[:, list(FACE), 2:] > 0
    has_face_B = seen_BK1[..., 0].sum(1) >= 3
    low_B2 = points_BK2.where(seen_BK1, torch.inf).amin(1)
    high_B2 = points_BK2.where(seen_BK1, -torch.inf).amax(1)
    extent_B = (high_B2 - low_B2).amax(1)
    return low_B2 + high_B2 - 1, extent_B, has_face_B & (extent_B > 0)
