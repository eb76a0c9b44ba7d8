"""The fixed sine-cosine position embedding of the whole image, and samples of it anywhere.

Shape suffixes: B batch, N points, S grid side, D width; X any leading axes.
"""

import torch
from torch import Tensor, nn


class Positions(nn.Module):
    """A table with one D-vector per cell of a side x side grid over the image; it is not learned.

    The embedding of column x and row y is [sin x w, cos x w, sin y w, cos y w], with D / 4
    frequencies w from 1 down to 1 / 10000.
    """

    table_SSD: Tensor

    def __init__(self, side: int, width: int) -> None:
        super().__init__()
        if width % 4:
            raise ValueError(
                f"the width of a position embedding must be a multiple of 4, not {width}"
            )
        self.side = side
        # The device is named so that a model built on the meta device still holds a real table.
        exponent = torch.arange(width // 4, dtype=torch.float64, device="cpu")
        frequency = 10000.0 ** (-exponent / max(width // 4 - 1, 1))
        angle_SF = torch.arange(side, dtype=torch.float64, device="cpu")[:, None] * frequency
        axis_SD = torch.cat([angle_SF.sin(), angle_SF.cos()], -1).float()
        columns_SSD = axis_SD[None].expand(side, -1, -1)
        rows_SSD = axis_SD[:, None].expand(-1, side, -1)
        table_SSD = torch.cat([columns_SSD, rows_SSD], -1).contiguous()
        self.register_buffer("table_SSD", table_SSD, persistent=False)

    def sample(self, cells_XN2: Tensor) -> Tensor:
        """Embeddings (..., N, D) at points x, y counted in cells, 0 at the centre of the first.

        Bilinear (Eq. 3), in float32; the table is followed by zeros on all sides.
        """
        cells_XN2 = cells_XN2.float()
        ticks_S = torch.arange(self.side, dtype=torch.float32, device=cells_XN2.device)
        weight_XN2S = (1 - (cells_XN2[..., None] - ticks_S).abs()).clamp_min(0)
        weight_XNSS = weight_XN2S[..., 1, :, None] * weight_XN2S[..., 0, None, :]
        # Mixed precision would round the embeddings, whose small differences tell places apart.
        with torch.autocast(cells_XN2.device.type, enabled=False):
            return weight_XNSS.flatten(-2) @ self.table_SSD.flatten(0, 1).float()

    def at_keypoints(self, points_BN2: Tensor) -> Tensor:
        """Embeddings (B, N, D) at fractions of the image: 0 and 1 are centres of border cells."""
        return self.sample(points_BN2 * (self.side - 1))
