"""The patches of one image: where they lie, which are kept, and painting values over them.

Shape suffixes: R regions, S grid side, T = R S S candidate patches, N some of them.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from model.sapiensid.regions import region_boxes
from model.sapiensid.retina_patch import cover
from model.sapiensid.sapiensid import SapiensID, visible_inside


@dataclass(frozen=True)
class Patches:
    """Boxes (R, 4) of the regions, and which of their candidate patches (T,) are kept."""

    boxes_R4: NDArray[np.float32]
    kept_T: NDArray[np.bool_]
    side: int

    @property
    def ids_N(self) -> NDArray[np.int64]:
        """The kept candidates in order."""
        return np.flatnonzero(self.kept_T)

    @property
    def counts_R(self) -> NDArray[np.int64]:
        """Kept patches of each region."""
        counts_R: NDArray[np.int64] = self.kept_T.reshape(len(self.boxes_R4), -1).sum(1)
        return counts_R

    def has(self, region: int) -> bool:
        """Whether the image has the region."""
        left, top, right, bottom = self.boxes_R4[region]
        return bool(right > left and bottom > top)

    def region(self, ids_N: ArrayLike) -> NDArray[np.int64]:
        """The region of each of the candidates."""
        return np.asarray(ids_N) // self.side**2

    def rectangles(self, ids_N: ArrayLike) -> NDArray[np.float64]:
        """Left, top, right, bottom (N, 4) of candidates, as fractions of the image."""
        row_N, column_N = np.divmod(np.asarray(ids_N) % self.side**2, self.side)
        cell_N2 = np.stack([column_N, row_N], -1)
        box_N4 = self.boxes_R4.astype(np.float64)[self.region(ids_N)]
        size_N2 = (box_N4[:, 2:] - box_N4[:, :2]) / self.side
        first_N2 = box_N4[:, :2] + cell_N2 * size_N2
        return np.concatenate([first_N2, first_N2 + size_N2], 1)


def patches_of(model: SapiensID, keypoints: NDArray[np.floating]) -> Patches:
    """The patches that a model makes of an image with these keypoints (19, 3); needs no weights."""
    points_1K3 = visible_inside(torch.from_numpy(np.asarray(keypoints, np.float32))[None])
    boxes_1R4 = region_boxes(points_1K3, model.regions, model.grid)
    kept_1T = cover(boxes_1R4, model.grid)
    return Patches(boxes_1R4[0].numpy(), kept_1T[0].numpy(), model.grid)


def paint(
    canvas: NDArray[np.uint8], rectangles_N4: NDArray[np.floating], colours_N3: NDArray[np.uint8]
) -> None:
    """Fills rectangles, given as fractions of the canvas (H, W, 3), with one colour each."""
    for (rows, columns), colour in zip(_slices(canvas, rectangles_N4), colours_N3, strict=True):
        canvas[rows, columns] = colour


def area(canvas: NDArray[np.uint8], rectangles_N4: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Which pixels (H, W) of the canvas the rectangles cover: those that `paint` would fill."""
    out = np.zeros(canvas.shape[:2], bool)
    for rows, columns in _slices(canvas, rectangles_N4):
        out[rows, columns] = True
    return out


def _slices(
    canvas: NDArray[np.uint8], rectangles_N4: NDArray[np.floating]
) -> list[tuple[slice, slice]]:
    height, width = canvas.shape[:2]
    edges_N4 = np.asarray(rectangles_N4, np.float64) * (width, height, width, height)
    # An edge that two patches share is computed twice and may differ in its last digits; near the
    # middle of a pixel the two would round apart.
    edges_N4 = np.floor(edges_N4 + 0.5 + 1e-3).astype(int)
    return [
        (slice(top, bottom), slice(left, right)) for left, top, right, bottom in edges_N4.tolist()
    ]
