"""Augmentation of faces: from samples to aligned faces with less to see, as AdaFace trains.

Faces are aligned by landmarks that are a little off, as a detector's are, in one warp with the
flip; then colours, detail and all but a rectangle may go, each for a share of the faces.

Shape suffixes: B batch, C channels, H W image sides, K keypoints, L the five landmarks.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from model.faces.alignment import aligned, landmarks_of, to_template
from model.random_numbers import uniform
from model.training.steps.photometric import recolour, soften
from webbody.geometry import FACE_SIDE

# Streams; the drop path's is 1, the plan's 3.
_WARP, _COLOURS, _CROP = 2, 4, 7
_SHARES = ("flip", "jitter", "crop", "colour", "colour_change", "low_resolution")
#: Of a kept rectangle: share of the face, and width over height, as torchvision crops by default.
_AREA, _ASPECT = (0.2, 1.0), (3 / 4, 4 / 3)


@dataclass(frozen=True)
class FaceAugment:
    """How much faces are changed in training.

    flip: share of mirrored faces. jitter: largest standard deviation of the landmarks that a face
    is aligned by, as a fraction of the aligned face; each face's own is drawn below it. crop,
    colour, low_resolution: shares of faces of which but a rectangle is left, whose brightness,
    contrast and saturation change by up to the share `colour_change`, and that lose detail, as if
    made smaller to between `resolution` of their side and all of it (AdaFace: 0.2 each).
    """

    flip: float = 0.5
    jitter: float = 0.05
    crop: float = 0.2
    colour: float = 0.2
    colour_change: float = 0.5
    low_resolution: float = 0.2
    resolution: float = 0.2

    def __post_init__(self) -> None:
        for name in _SHARES:
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be in [0, 1], not {getattr(self, name)}")
        if not 0 < self.resolution <= 1:
            raise ValueError(f"resolution must be in (0, 1], not {self.resolution}")

    def __call__(
        self,
        images_BCHW: Tensor,
        keypoints_BK3: Tensor,
        seeds_B: Tensor,
        foreground_BHW: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Faces (B, C, 112, 112) and their landmarks (B, 5, 2) as fractions of them.

        images_BCHW: squares, counted from white, whose five landmarks are all there.
        """
        marks_BL2, _ = landmarks_of(keypoints_BK3)
        flip_B, *noise = uniform(seeds_B, 22, _WARP).unbind(1)
        found_BL2 = marks_BL2 + self._errors(marks_BL2, torch.stack(noise, 1))
        faces_BCHW, marks_BL2 = aligned(images_BCHW, marks_BL2, found_BL2, flip_B < self.flip)
        return self._cropped(self._photometric(faces_BCHW, seeds_B), seeds_B), marks_BL2

    def _errors(self, marks_BL2: Tensor, noise_BX: Tensor) -> Tensor:
        """Errors of a detector: fractions of the picture, in proportion to the face."""
        deviation_B = noise_BX[:, 0] * self.jitter
        radius_BX = (-2 * (1 - noise_BX[:, 1:11]).log()).sqrt()  # Box and Muller
        normal_BX = radius_BX * (2 * math.pi * noise_BX[:, 11:21]).cos()
        turn_B2 = to_template(marks_BL2)[0]
        side_B = FACE_SIDE / turn_B2.square().sum(1).sqrt()  # of a face, as a fraction of a picture
        error_BL2: Tensor = normal_BX.unflatten(1, (-1, 2)) * (deviation_B * side_B)[:, None, None]
        return error_BL2

    def _photometric(self, faces_BCHW: Tensor, seeds_B: Tensor) -> Tensor:
        *noise, coloured_B, blurred_B, detail_B = uniform(seeds_B, 6, _COLOURS).unbind(1)
        if self.low_resolution:
            resolution_B = self.resolution + (1 - self.resolution) * detail_B
            resolution_B = resolution_B.where(blurred_B < self.low_resolution, 1.0)
            faces_BCHW = soften(faces_BCHW, resolution_B, self.resolution)
        if self.colour:
            brightness_B, contrast_B, saturation_B = (
                (1 + self.colour_change * (2 * one_B - 1)).where(coloured_B < self.colour, 1.0)
                for one_B in noise
            )
            faces_BCHW = recolour(faces_BCHW, brightness_B, contrast_B, saturation_B)
        return faces_BCHW

    def _cropped(self, faces_BCHW: Tensor, seeds_B: Tensor) -> Tensor:
        """A share of the faces black outside a rectangle of chance."""
        if not self.crop:
            return faces_BCHW
        chance_B, area_B, aspect_B, *place = uniform(seeds_B, 5, _CROP).unbind(1)
        area_B = _AREA[0] + (_AREA[1] - _AREA[0]) * area_B
        low, high = (math.log(limit) for limit in _ASPECT)
        aspect_B = (low + (high - low) * aspect_B).exp()
        whole_B = chance_B >= self.crop
        inside = []
        for extent_B, place_B in zip((area_B * aspect_B, area_B / aspect_B), place, strict=True):
            size_B = extent_B.sqrt().clamp(max=1.0).where(~whole_B, 1.0)
            start_B1 = (place_B * (1 - size_B))[:, None]
            ticks_X = (torch.arange(FACE_SIDE, device=seeds_B.device) + 0.5) / FACE_SIDE
            inside.append((ticks_X >= start_B1) & (ticks_X <= start_B1 + size_B[:, None]))
        columns_BW, rows_BH = inside
        return faces_BCHW.where(rows_BH[:, None, :, None] & columns_BW[:, None, None, :], -2)
