"""Regions of interest: squares around keypoints, snapped to the patch grid they lie in.

Region 0 is the whole image; each later region lies inside an earlier one, its parent, and takes
precedence over it. Left, top, right, bottom of a box are fractions of the image; a region that an
image lacks has a box without area.

Shape suffixes: B batch, K keypoints, R regions (the whole image included).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from webbody.skeleton import FACE as FACE_POINTS
from webbody.skeleton import UPPER as UPPER_POINTS


@dataclass(frozen=True)
class Region:
    """How a square follows from keypoints (indices of webbody.skeleton).

    It is centred on the extent of the visible `points`, half way towards `anchor` if that one is
    given and visible. With `reach` "distance" half its side is the greatest distance from the
    centre to a visible point, with "extent" it is half the larger extent; `padding` is added to
    it. An image has the region if `minimum` of the points are visible, and one of `any_of`.
    """

    points: tuple[int, ...]
    minimum: int
    any_of: tuple[int, ...] = ()
    anchor: int | None = None
    reach: str = "distance"
    padding: float = 0.3
    parent: int = 0

    def __post_init__(self) -> None:
        if self.reach not in ("distance", "extent"):
            raise ValueError(f"reach must be distance or extent, not {self.reach!r}")

    def box(self, keypoints_BK3: Tensor) -> tuple[Tensor, Tensor]:
        """Boxes (B, 4) before snapping, and which images have the region (B,)."""
        points_BK3 = chosen(keypoints_BK3, self.points)
        points_BK2, seen_BK1 = points_BK3[..., :2], points_BK3[..., 2:] > 0
        low_B2 = points_BK2.where(seen_BK1, torch.inf).amin(1)
        high_B2 = points_BK2.where(seen_BK1, -torch.inf).amax(1)
        centre_B2 = (low_B2 + high_B2) / 2
        if self.anchor is not None:
            anchor_B3 = keypoints_BK3[:, self.anchor]
            halfway_B2 = (centre_B2 + anchor_B3[:, :2]) / 2
            centre_B2 = halfway_B2.where(anchor_B3[:, 2:] > 0, centre_B2)
        if self.reach == "extent":
            half_B1 = (high_B2 - low_B2).amax(1, keepdim=True) / 2
        else:
            distance_BK1 = (points_BK2 - centre_B2[:, None]).norm(dim=-1, keepdim=True)
            half_B1 = distance_BK1.where(seen_BK1, 0).amax(1)
        half_B1 = half_B1 * (1 + self.padding)
        exists_B = seen_BK1[..., 0].sum(1) >= self.minimum
        if self.any_of:
            exists_B = exists_B & (chosen(keypoints_BK3, self.any_of)[..., 2] > 0).any(1)
        return torch.cat([centre_B2 - half_B1, centre_B2 + half_B1], -1), exists_B


#: The regions of the released weights: upper torso, then face inside it.
TORSO = Region(UPPER_POINTS, minimum=3, any_of=(7, 8), reach="extent")
FACE = Region(FACE_POINTS, minimum=2, anchor=0, parent=1)
REGIONS = (TORSO, FACE)
#: The regions as the paper tells them (A.4), whose face includes the ears.
PAPER_REGIONS = (
    Region(UPPER_POINTS, minimum=3, any_of=(7, 8)),
    Region((*FACE_POINTS, 5, 6), minimum=2, parent=1),
)


def region_boxes(keypoints_BK3: Tensor, regions: tuple[Region, ...], grid: int) -> Tensor:
    """Snapped boxes (B, R, 4) of the whole image and of each region (paper A.4, Eqs. 18 to 27)."""
    boxes = [F.pad(keypoints_BK3.new_zeros(len(keypoints_BK3), 2), (0, 2), value=1.0)]
    for region in regions:
        box_B4, exists_B = region.box(keypoints_BK3)
        # An image without the parent offers its whole area in its place.
        parent_B4 = boxes[region.parent]
        parent_B4 = parent_B4.where(has_area(parent_B4)[:, None], boxes[0])
        snapped_B4 = snap(box_B4, parent_B4, grid)
        boxes.append(snapped_B4.where((exists_B & has_area(snapped_B4))[:, None], 0))
    return torch.stack(boxes, 1)


def chosen(keypoints_BK3: Tensor, points: Sequence[int]) -> Tensor:
    """Some of the keypoints (B, P, 3); a list of indices would make the host wait for a GPU."""
    return torch.stack([keypoints_BK3[:, point] for point in points], 1)


def snap(box_B4: Tensor, parent_B4: Tensor, grid: int) -> Tensor:
    """The smallest union of cells of the parent's grid x grid patches that holds the box's part."""
    origin_B2, cell_B2 = parent_B4[:, :2], (parent_B4[:, 2:] - parent_B4[:, :2]) / grid
    first_B2 = ((box_B4[:, :2] - origin_B2) / cell_B2).floor().clamp(0, grid)
    last_B2 = ((box_B4[:, 2:] - origin_B2) / cell_B2).ceil().clamp(0, grid)
    return torch.cat([origin_B2 + first_B2 * cell_B2, origin_B2 + last_B2 * cell_B2], -1)


def has_area(box_X4: Tensor) -> Tensor:
    """Which boxes (..., 4) have width and height."""
    return (box_X4[..., 2:] > box_X4[..., :2]).all(-1)
