"""Augmentation: one affine warp of images and keypoints together, then colours and detail.

Zoom, shift, aspect, flip and the zoom to the face become one matrix per image, so that pixels are
resampled once; what comes from outside the picture is white, like the padding. Colours are counted
from white here, 0 being white and -2 black, since zero is what sampling finds outside a picture.

Shape suffixes: B batch, H W image sides, K keypoints.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from model.random_numbers import uniform
from model.sapiensid.regions import chosen
from model.training.steps.background import FILLS, change_background
from model.training.steps.photometric import recolour, soften
from model.warp import move, warp
from webbody.skeleton import FACE

# The model's own chances are streams 0 and 1, the plan's stream 3, the backgrounds' 5 and 6.
_WARP, _COLOURS = 2, 4
_SHARES = (
    "shift", "flip", "face_zoom", "colour", "colour_change", "grayscale", "blur", "background",
)  # fmt: skip


@dataclass(frozen=True)
class Augment:
    """How much images are changed in training; the defaults are the paper's (A.1).

    zoom and aspect: ranges of the factors. shift: largest move, as a fraction of the image. flip:
    share of mirrored images. face_zoom: share of the images with a visible face that show the face
    only, its keypoints' extent then being `face_extent` of the image (a range). The paper gives
    the share of zoomed-in faces, 0.4, not how close they are.

    colour, grayscale, blur: shares of images whose brightness, contrast and saturation change by up
    to the share `colour_change` of each, that lose their colours, and that lose detail, as if made
    smaller to between `resolution` of their side and all of it. background: share of images whose
    background is changed first, where it is known; background_fill: see change_background. The
    paper does none of these.
    """

    zoom: tuple[float, float] = (0.9, 1.1)
    aspect: tuple[float, float] = (0.95, 1.05)
    shift: float = 0.05
    flip: float = 0.5
    face_zoom: float = 0.4
    face_extent: tuple[float, float] = (0.3, 0.5)
    colour: float = 0.0
    colour_change: float = 0.5
    grayscale: float = 0.0
    blur: float = 0.0
    resolution: float = 0.2
    background: float = 0.0
    background_fill: str = "white"

    def __post_init__(self) -> None:
        for name in ("zoom", "aspect", "face_extent"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise ValueError(f"{name} must be a range above 0, not {low} to {high}")
        for name in _SHARES:
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be in [0, 1], not {getattr(self, name)}")
        if not 0 < self.resolution <= 1:
            raise ValueError(f"resolution must be in (0, 1], not {self.resolution}")
        if self.background_fill not in FILLS:
            raise ValueError(
                f"background_fill is one of {', '.join(FILLS)}, not {self.background_fill}"
            )

    def __call__(
        self,
        images_BCHW: Tensor,
        keypoints_BK3: Tensor,
        seeds_B: Tensor,
        foreground_BHW: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Changed images and keypoints, by the chances of each image's int64 seed.

        images_BCHW: counted from white. keypoints_BK3: fractions of the image and visibility; a
        point that leaves the image becomes invisible. foreground_BHW: uint8, above 127 where a
        person is; None: backgrounds stay.
        """
        if self.background and foreground_BHW is not None:
            images_BCHW = change_background(
                images_BCHW, foreground_BHW, seeds_B, self.background, self.background_fill
            )
        matrix_B23 = self.draw(keypoints_BK3, seeds_B)
        images_BCHW = self._photometric(warp(images_BCHW, matrix_B23), seeds_B)
        return images_BCHW, move(keypoints_BK3, matrix_B23)

    def draw(self, keypoints_BK3: Tensor, seeds_B: Tensor) -> Tensor:
        """For each image the matrix (2, 3) from points of the result to points of the original.

        Both are counted from -1 to 1 over the image, as affine_grid has it.
        """
        noise = uniform(seeds_B, 7, _WARP).unbind(1)
        zoomed_B, extent_B, zoom_B, aspect_B, x_B, y_B, flip_B = noise
        face_B2, size_B, has_face_B = _face(keypoints_BK3)
        close_B = has_face_B & (zoomed_B < self.face_zoom)
        # A close-up keeps its size: a face is enlarged, never shrunk.
        half_B = (size_B / _within(self.face_extent, extent_B)).clamp(max=1.0)
        half_B = half_B.where(close_B, 1.0)  # half the side of what is shown, from -1 to 1
        half_B = half_B / _within(self.zoom, zoom_B)
        stretch_B = _within(self.aspect, aspect_B).sqrt()
        shift_B2 = 2 * self.shift * (2 * torch.stack([x_B, y_B], 1) - 1)
        centre_B2 = face_B2.where(close_B[:, None], 0.0) + half_B[:, None] * shift_B2
        mirror_B = 1 - 2 * (flip_B < self.flip).float()
        zero_B = torch.zeros_like(half_B)
        return torch.stack(
            [
                torch.stack([mirror_B * half_B * stretch_B, zero_B, centre_B2[:, 0]], 1),
                torch.stack([zero_B, half_B / stretch_B, centre_B2[:, 1]], 1),
            ],
            1,
        )

    def _photometric(self, images_BCHW: Tensor, seeds_B: Tensor) -> Tensor:
        *noise, coloured_B, gray_B, blurred_B, detail_B = uniform(seeds_B, 7, _COLOURS).unbind(1)
        if self.colour or self.grayscale:
            change = (1 - self.colour_change, 1 + self.colour_change)
            brightness_B, contrast_B, saturation_B = (
                _within(change, one_B).where(coloured_B < self.colour, 1.0) for one_B in noise
            )
            saturation_B = saturation_B.where(gray_B >= self.grayscale, 0.0)
            images_BCHW = recolour(images_BCHW, brightness_B, contrast_B, saturation_B)
        if self.blur:
            resolution_B = _within((self.resolution, 1.0), detail_B)
            resolution_B = resolution_B.where(blurred_B < self.blur, 1.0)
            images_BCHW = soften(images_BCHW, resolution_B, self.resolution)
        return images_BCHW


def _within(limits: tuple[float, float], noise_B: Tensor) -> Tensor:
    return limits[0] + (limits[1] - limits[0]) * noise_B


def _face(keypoints_BK3: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Centre (B, 2) from -1 to 1, extent as a fraction of the image, and whether there is one.

    A face needs three of its five points; fewer tell neither its size nor its place.
    """
    points_BK3 = chosen(keypoints_BK3, FACE)
    points_BK2, seen_BK1 = points_BK3[..., :2], points_BK3[..., 2:] > 0
    has_face_B = seen_BK1[..., 0].sum(1) >= 3
    low_B2 = points_BK2.where(seen_BK1, torch.inf).amin(1)
    high_B2 = points_BK2.where(seen_BK1, -torch.inf).amax(1)
    extent_B = (high_B2 - low_B2).amax(1)
    return low_B2 + high_B2 - 1, extent_B, has_face_B & (extent_B > 0)
