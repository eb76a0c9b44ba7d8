"""Absolute position embeddings: the fixed sine-cosine table, and tables resampled for other grids.

Shape suffixes: N patches (of a grid, row by row; with the class token, where there is one, first),
D width.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

Grid = tuple[int, int]


def sine_cosine(grid: Grid, width: int, *, class_token: bool) -> Tensor:
    """The table (1, N, D) of a grid (rows, columns); zeros for a class token.

    The first half of a row is of the patch's row and the second of its column, each sines and then
    cosines of D / 4 frequencies from 1 down to almost 1 / 10000.
    """
    if width % 4:
        raise ValueError(f"the width of a position embedding must be a multiple of 4, not {width}")
    frequency = 1 / 10000.0 ** (np.arange(width // 4) / (width // 4))
    halves = []
    for places in np.meshgrid(np.arange(grid[0]), np.arange(grid[1]), indexing="ij"):
        angles = places.reshape(-1, 1) * frequency
        halves += [np.sin(angles), np.cos(angles)]
    table_ND = np.concatenate(halves, 1)
    if class_token:
        table_ND = np.concatenate([np.zeros((1, width)), table_ND])
    return torch.from_numpy(table_ND).float()[None]


def resampled(table_1ND: Tensor, source: Grid, target: Grid, *, class_token: bool) -> Tensor:
    """A table for another grid, bicubic in float32; a class token's row is as it was."""
    if source == target:
        return table_1ND
    extra = 1 if class_token else 0
    first, rest_1ND = table_1ND[:, :extra], table_1ND[:, extra:]
    maps = rest_1ND.float().unflatten(1, source).permute(0, 3, 1, 2)
    maps = F.interpolate(maps, size=target, mode="bicubic", align_corners=False)
    rest_1ND = maps.permute(0, 2, 3, 1).flatten(1, 2).to(table_1ND.dtype)
    return torch.cat([first, rest_1ND], 1)


def grid_of(count: int) -> tuple[Grid, bool]:
    """Grid and class token of a table with so many rows: a square, or 4 : 3 (rows : columns).

    Raises ValueError where it is neither.
    """
    for extra in (0, 1):
        patches = count - extra
        square = round(patches**0.5)
        if square > 0 and square * square == patches:
            return (square, square), bool(extra)
        part = round((patches / 12) ** 0.5)
        if part > 0 and 12 * part * part == patches:
            return (4 * part, 3 * part), bool(extra)
    raise ValueError(f"a position table of {count} rows is of no square and of no 4:3 grid")
