"""Retina Patch: every region of interest is cut into the same number of patches (paper 3.1).

A patch of a region is kept unless a region of higher precedence covers it, so that the kept ones
cover the image once. Patches of small regions are enlarged to the size of those of the whole image.

Shape suffixes: B batch, R regions, T = R S S candidate patches (region by region, row by row),
N tokens, S grid side, P patch side in pixels, C channels, D width.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.sapiensid.positions import Positions
from model.sapiensid.regions import has_area


def cover(boxes_BR4: Tensor, side: int) -> Tensor:
    """Which candidates (B, T) are kept: those whose centre no later region covers (Eq. 2)."""
    ticks_S = (torch.arange(side, device=boxes_BR4.device) + 0.5) / side
    span_BR2 = boxes_BR4[..., 2:] - boxes_BR4[..., :2]
    x_BRS = boxes_BR4[..., 0, None] + ticks_S * span_BR2[..., 0, None]
    y_BRS = boxes_BR4[..., 1, None] + ticks_S * span_BR2[..., 1, None]
    kept_BRSS = has_area(boxes_BR4)[..., None, None].expand(-1, -1, side, side)
    for region in range(1, boxes_BR4.shape[1]):
        left, top, right, bottom = boxes_BR4[:, region, :, None, None].unbind(1)
        inside_BRS = (x_BRS >= left) & (x_BRS < right)
        below_BRS = (y_BRS >= top) & (y_BRS < bottom)
        covered_BRSS = below_BRS[..., :, None] & inside_BRS[..., None, :]
        earlier_R = torch.arange(boxes_BR4.shape[1], device=boxes_BR4.device) < region
        kept_BRSS = kept_BRSS & ~(covered_BRSS & earlier_R[:, None, None])
    return kept_BRSS.flatten(1)


def content(images_BCHW: Tensor, white: float = 1.0) -> tuple[Tensor, Tensor]:
    """Which rows (B, H) and columns (B, W) show the image and not its white padding.

    Padding are the outer rows and columns that are at least 99 % white; black is `white` - 2.
    """
    bright_BHW = images_BCHW.float().mean(1)
    inside = []
    for other in (2, 1):
        content_BX = (bright_BHW.mean(other) < white - 0.02).int()
        # Within the first and the last line with content; white lines between them are image.
        started_BX = content_BX.cummax(1).values
        ended_BX = content_BX.flip(1).cummax(1).values.flip(1)
        inside.append((started_BX & ended_BX).bool())
    rows_BH, columns_BW = inside
    return rows_BH, columns_BW


def foreground(images_BCHW: Tensor, side: int) -> Tensor:
    """Which patches (B, S S) of the whole image show it and not its padding, by half or more.

    Images are in [-1, 1]. One that is all white has no padding.
    """
    patch = images_BCHW.shape[-1] // side
    rows_BS, columns_BS = (
        inside_BX.float().unflatten(1, (side, patch)).mean(2) for inside_BX in content(images_BCHW)
    )
    shown_BT = (rows_BS[:, :, None] * columns_BS[:, None] >= 0.5).flatten(1)
    usable_BT: Tensor = shown_BT | ~shown_BT.any(1, keepdim=True)
    return usable_BT


class RetinaPatch(nn.Module):
    """Pixels and positions of chosen patches as tokens; `level_embedding` tells regions apart."""

    def __init__(
        self, width: int, regions: int, side: int, patch: int, level_embedding: bool
    ) -> None:
        super().__init__()
        self.side, self.patch = side, patch
        self.proj = nn.Linear(3 * patch * patch, width)
        self.level_RD = nn.Parameter(torch.zeros(regions, width)) if level_embedding else None

    def forward(self, images_BCHW: Tensor, boxes_BR4: Tensor, ids_BN: Tensor) -> Tensor:
        """Tokens (B, N, D) of the candidates `ids_BN`, without their positions."""
        pixels = self.side * self.patch
        region_BN, row_BN, column_BN = self.place(ids_BN)
        box_BN4 = boxes_BR4.gather(1, region_BN[..., None].expand(-1, -1, 4))
        # A region's first and last samples lie on the edges of its box, as in the published
        # weights: half of an image's outermost samples is the zero beyond the border.
        steps_P = torch.arange(self.patch, device=ids_BN.device)
        x_BNP = (column_BN[..., None] * self.patch + steps_P) / (pixels - 1)
        y_BNP = (row_BN[..., None] * self.patch + steps_P) / (pixels - 1)
        left_BN1, top_BN1, right_BN1, bottom_BN1 = box_BN4.split(1, -1)
        # From -1 to 1 over the image, before the two axes make a grid, which is large.
        x_BNP = 2 * (left_BN1 + x_BNP * (right_BN1 - left_BN1)) - 1
        y_BNP = 2 * (top_BN1 + y_BNP * (bottom_BN1 - top_BN1)) - 1
        grid_BNPP2 = torch.stack(
            torch.broadcast_tensors(x_BNP[..., None, :], y_BNP[..., :, None]), -1
        )
        grid_BMP2 = grid_BNPP2.flatten(1, 2).to(images_BCHW.dtype)
        patches_BCMP = F.grid_sample(images_BCHW, grid_BMP2, align_corners=False)
        patches_BCNPP = patches_BCMP.unflatten(2, (-1, self.patch))
        tokens_BND: Tensor = self.proj(patches_BCNPP.permute(0, 2, 1, 3, 4).flatten(2))
        return tokens_BND

    def positions(self, table: Positions, boxes_BR4: Tensor, ids_BN: Tensor) -> Tensor:
        """Region-sampled position embeddings (B, N, D), Eq. 3.

        Patches of the whole image take their cell's embedding. Those of a region sample the table
        from edge to edge of its box, which reaches half a cell beyond the table at the border.
        """
        region_BN, row_BN, column_BN = self.place(ids_BN)
        cell_BN2 = torch.stack([column_BN, row_BN], -1)
        box_BN4 = boxes_BR4.gather(1, region_BN[..., None].expand(-1, -1, 4))
        point_BN2 = torch.lerp(box_BN4[..., :2], box_BN4[..., 2:], cell_BN2 / (self.side - 1))
        inner_BN2 = point_BN2 * self.side - 0.5
        embedding_BND = table.sample(inner_BN2.where(region_BN[..., None] > 0, cell_BN2.float()))
        if self.level_RD is not None:
            embedding_BND = embedding_BND + self.level_RD[region_BN]
        return embedding_BND

    def place(self, ids_BN: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Region, row and column of candidates."""
        cells = self.side * self.side
        cell_BN = ids_BN % cells
        return ids_BN // cells, cell_BN // self.side, cell_BN % self.side
