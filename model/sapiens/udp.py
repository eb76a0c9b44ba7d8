"""Keypoints as heatmaps and back (UDP, Huang et al., 2020; DARK's decoding, Zhang et al., 2020).

An input of n pixels and its map of m are both counted from centre to centre: a point k of the
input lies at k (m - 1) / (n - 1) in the map. Decoding gives shares of the map times the whole
input, k n / (m - 1), which `model.sapiens.crops.to_photo` takes.

Shape suffixes: X any leading axes, K keypoints, H W sides of a map.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

#: Of the Gaussian in pixels of a map, for maps of 256 x 192.
SIGMA = 6.0
_BLUR, _BLUR_SIGMA = 11, 2.0
_LOWEST, _HIGHEST = 1e-3, 50.0
#: Added to curvatures, as the reference has it, which leaves few of them exactly 0.
_FLAT = torch.finfo(torch.float32).eps


def encode(
    points_XK2: Tensor,
    visible_XK: Tensor,
    input_size: tuple[int, int],
    map_size: tuple[int, int],
    sigma: float = SIGMA,
) -> tuple[Tensor, Tensor]:
    """Target maps (..., K, H, W) of points in pixels of the input, and their weights (..., K).

    Sizes are (width, height). A map is a Gaussian of height 1 around the exact point, cut off
    3 sigma from its nearest pixel; that of a point with visibility below 0.5 is empty. Weights are
    the visibilities, 0 where a Gaussian lies wholly outside.
    """
    points_XK2 = points_XK2.float()
    stretch = [(m - 1) / (n - 1) for n, m in zip(input_size, map_size, strict=True)]
    places_XK2 = points_XK2 * points_XK2.new_tensor(stretch)
    nearest_XK2 = (places_XK2 + 0.5).trunc()
    radius = 3 * sigma
    axes, outside_XK = [], torch.zeros_like(visible_XK, dtype=torch.bool)
    for axis, side in enumerate(map_size):
        ticks = torch.arange(side, device=places_XK2.device, dtype=places_XK2.dtype)
        near_XK, place_XK = nearest_XK2[..., axis], places_XK2[..., axis]
        distance = ticks - place_XK[..., None]
        inside = (ticks - near_XK[..., None]).abs() <= radius
        axes.append(torch.exp(-(distance**2) / (2 * sigma**2)) * inside)
        outside_XK = outside_XK | (near_XK - radius >= side) | (near_XK + radius + 1 < 0)
    x_XKW, y_XKH = axes
    shown_XK = (visible_XK >= 0.5).to(x_XKW.dtype)
    maps_XKHW = y_XKH[..., :, None] * (x_XKW * shown_XK[..., None])[..., None, :]
    # A point that is not shown keeps its weight: where it is not known, that is 0.
    is_lost_XK = outside_XK & (visible_XK >= 0.5)
    return maps_XKHW, visible_XK.float().masked_fill(is_lost_XK, 0)


def decode(maps_XKHW: Tensor, input_size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Points (..., K, 2) in pixels of the input of `input_size` (width, height); scores (..., K).

    The largest pixel, moved by a Newton step on the logarithm of the blurred map; along an axis at
    whose end it lies, and where the map is flat, it stays. The score is the largest value. A map
    without positive values has no point: 0, 0 and a score of 0.
    """
    maps_XKHW = maps_XKHW.float()
    height, width = maps_XKHW.shape[-2:]
    flat_XKN = maps_XKHW.flatten(-2)
    scores_XK, places_XK = flat_XKN.max(-1)
    x_XK, y_XK = places_XK % width, places_XK // width
    logs_XKHW = blurred(maps_XKHW).clamp(_LOWEST, _HIGHEST).log()
    padded = F.pad(logs_XKHW.flatten(0, -3)[:, None], (1, 1, 1, 1), mode="replicate")
    values = padded.reshape(*logs_XKHW.shape[:-2], -1)

    def at(right: int, down: int) -> Tensor:
        index = (y_XK + 1 + down) * (width + 2) + x_XK + 1 + right
        return values.gather(-1, index[..., None])[..., 0]

    middle = at(0, 0)
    dx, dy = (at(1, 0) - at(-1, 0)) / 2, (at(0, 1) - at(0, -1)) / 2
    dxx, dyy = at(1, 0) - 2 * middle + at(-1, 0), at(0, 1) - 2 * middle + at(0, -1)
    dxy = (at(1, 1) - at(1, 0) - at(0, 1) + 2 * middle - at(-1, 0) - at(0, -1) + at(-1, -1)) / 2
    free_x = (x_XK > 0) & (x_XK < width - 1)
    free_y = (y_XK > 0) & (y_XK < height - 1)
    dx, dy, dxx, dyy, dxy = (d.double() for d in (dx, dy, dxx + _FLAT, dyy + _FLAT, dxy))
    determinant = dxx * dyy - dxy * dxy
    both = free_x & free_y & (determinant != 0)
    alone_x = free_x & ~free_y & (dxx != 0)
    alone_y = free_y & ~free_x & (dyy != 0)
    safe = torch.where(both, determinant, 1)
    move_x = torch.where(both, (dyy * dx - dxy * dy) / safe, 0)
    move_y = torch.where(both, (dxx * dy - dxy * dx) / safe, 0)
    move_x = torch.where(alone_x, dx / torch.where(alone_x, dxx, 1), move_x)
    move_y = torch.where(alone_y, dy / torch.where(alone_y, dyy, 1), move_y)
    points_XK2 = torch.stack(
        [
            (x_XK - move_x) / max(width - 1, 1) * input_size[0],
            (y_XK - move_y) / max(height - 1, 1) * input_size[1],
        ],
        -1,
    )
    points_XK2 = points_XK2.to(maps_XKHW.dtype)
    found_XK = scores_XK > 0
    return points_XK2 * found_XK[..., None], scores_XK * found_XK


def blurred(maps_XKHW: Tensor) -> Tensor:
    """The maps after an 11 x 11 Gaussian, zero outside, with their old maximum."""
    ticks = torch.arange(_BLUR, dtype=maps_XKHW.dtype, device=maps_XKHW.device) - _BLUR // 2
    weights = torch.exp(-(ticks**2) / (2 * _BLUR_SIGMA**2))
    weights = weights / weights.sum()
    maps_N1HW = maps_XKHW.flatten(0, -3)[:, None]
    half = _BLUR // 2
    blur_N1HW = F.conv2d(maps_N1HW, weights[None, None, :, None], padding=(half, 0))
    blur_N1HW = F.conv2d(blur_N1HW, weights[None, None, None], padding=(0, half))
    before, after = (maps.amax((-2, -1), keepdim=True) for maps in (maps_N1HW, blur_N1HW))
    # A map whose blur is negative everywhere changes its sign, as in the reference.
    scale = torch.where(after != 0, before / torch.where(after != 0, after, 1), 0)
    return (blur_N1HW * scale).reshape(maps_XKHW.shape)
