"""The encoder: a pre-norm vision transformer, layer by layer timm's, with two kinds of patches.

Shape suffixes: B batch, C channels, H W image sides, N tokens, D width, L layers, Y X grid rows
and columns.
"""

import math
from collections.abc import Sequence
from functools import partial

import torch
import torch.nn.functional as F
from timm.models.vision_transformer import Block
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from model.sapiens.positions import Grid, resampled, sine_cosine
from model.sapiens.sizes import MLP_RATIO, PATCH, EncoderSize

#: Of the pixels that a network takes, 0 to 255, RGB.
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
#: The norms' epsilon.
EPSILON = 1e-6


def normalised(images_BCHW: Tensor) -> Tensor:
    """Pixels RGB 0 to 255 as a network takes them, float32."""
    mean, std = (images_BCHW.new_tensor(v, dtype=torch.float32)[:, None, None] for v in (MEAN, STD))
    return (images_BCHW.float() - mean) / std


class SapiensEncoder(nn.Module):
    """Images to a map of features.

    Args:
        size: Width, depth and heads.
        image_size: Height and width in pixels that the positions are for; calls with others
            resample them. Multiples of 16.
        class_token: Whether a class token goes through the layers with the patches (pretraining).
        patch_padding: 0: patches begin at the first pixel, and an image is padded at the right
            and the bottom to whole patches (pretraining, segmentation of 28 classes, depth); 2:
            two pixels of padding on all sides, so that patches lie 2 pixels further to the left
            and up and the last pixels are not looked at (pose, normals, segmentation of 20
            classes). Weights tell nothing of it, and a wrong one only makes results worse.
        fixed_positions: Whether the positions are the sine-cosine table and are not learned.
        recompute: Whether training computes each layer twice to save the memory of its insides.
    """

    def __init__(
        self,
        size: EncoderSize,
        image_size: tuple[int, int],
        *,
        class_token: bool = False,
        patch_padding: int = 0,
        fixed_positions: bool = False,
        recompute: bool = False,
    ) -> None:
        super().__init__()
        if any(side % PATCH or side <= 0 for side in image_size):
            raise ValueError(f"sides of {image_size} pixels are no multiples of {PATCH}")
        if patch_padding not in (0, 2):
            raise ValueError(f"patch_padding must be 0 or 2, not {patch_padding}")
        if size.width % size.heads:
            raise ValueError(f"a width of {size.width} does not divide among {size.heads} heads")
        self.size, self.image_size, self.patch_padding = size, image_size, patch_padding
        self.grid: Grid = (image_size[0] // PATCH, image_size[1] // PATCH)
        self.recompute = recompute
        width = size.width
        self.patch_embed = nn.Conv2d(3, width, PATCH, PATCH, padding=patch_padding)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width)) if class_token else None
        table = sine_cosine(self.grid, width, class_token=class_token)
        self.pos_embed = nn.Parameter(table, requires_grad=not fixed_positions)
        self.blocks = nn.ModuleList(block(width, size.heads) for _ in range(size.depth))
        self.norm = nn.LayerNorm(width, eps=EPSILON)
        self.apply(_initialise)
        fan = self.patch_embed.weight.flatten(1)
        nn.init.xavier_uniform_(fan)
        if self.cls_token is not None:
            nn.init.normal_(self.cls_token, std=0.02)

    @property
    def has_class_token(self) -> bool:
        """Whether the first token is the class token."""
        return self.cls_token is not None

    def patches(self, images_BCHW: Tensor) -> tuple[Tensor, Grid]:
        """Embedded patches (B, N, D) without positions, and their grid."""
        if self.patch_padding == 0:
            down, right = ((-side) % PATCH for side in images_BCHW.shape[2:])
            if down or right:
                images_BCHW = F.pad(images_BCHW, (0, right, 0, down))
        map_BDYX: Tensor = self.patch_embed(images_BCHW)
        rows, columns = map_BDYX.shape[2:]
        return map_BDYX.flatten(2).transpose(1, 2), (rows, columns)

    def positions(self, grid: Grid) -> Tensor:
        """The table (1, N, D) for a grid, with the class token's row."""
        return resampled(self.pos_embed, self.grid, grid, class_token=self.has_class_token)

    def tokens(self, images_BCHW: Tensor, kept_BN: Tensor | None = None) -> tuple[Tensor, Grid]:
        """Tokens (B, N, D) behind the last norm, the class token first, and the patches' grid.

        images_BCHW: as `normalised` gives them. kept_BN: numbers of the patches that are looked
        at, for masked pretraining; None: all.
        """
        x_BND, grid = self.patches(images_BCHW)
        table_1ND = self.positions(grid)
        extra = 1 if self.cls_token is not None else 0
        x_BND = x_BND + table_1ND[:, extra:]
        if kept_BN is not None:
            x_BND = x_BND.gather(1, kept_BN[..., None].expand(-1, -1, x_BND.shape[-1]))
        if self.cls_token is not None:
            first = (self.cls_token + table_1ND[:, :1]).to(x_BND.dtype)
            x_BND = torch.cat([first.expand(len(x_BND), -1, -1), x_BND], 1)
        for layer in self.blocks:
            x_BND = self._through(layer, x_BND)
        return self.norm(x_BND), grid

    def _through(self, layer: nn.Module, x_BND: Tensor) -> Tensor:
        if self.recompute and self.training and torch.is_grad_enabled():
            out: Tensor = checkpoint(layer, x_BND, use_reentrant=False)
        else:
            out = layer(x_BND)
        return out

    def forward(self, images_BCHW: Tensor) -> Tensor:
        """The map (B, D, Y, X) of the patches' features; a class token is left out."""
        x_BND, grid = self.tokens(images_BCHW)
        return _as_map(x_BND[:, 1:] if self.has_class_token else x_BND, grid)

    def summary(self, images_BCHW: Tensor) -> dict[str, Tensor]:
        """What other tasks start from: `map` (B, D, Y, X), their `mean` (B, D), and `class` (B, D)
        where there is a class token."""
        x_BND, grid = self.tokens(images_BCHW)
        extra = 1 if self.has_class_token else 0
        found = {"class": x_BND[:, 0]} if extra else {}
        x_BND = x_BND[:, extra:]
        return {
            "map": _as_map(x_BND, grid),
            "mean": x_BND.mean(1),
            **found,
        }


def _as_map(x_BND: Tensor, grid: Grid) -> Tensor:
    out: Tensor = x_BND.transpose(1, 2).unflatten(2, grid)
    return out


def block(width: int, heads: int) -> nn.Module:
    """A transformer layer: timm's, which is that of Sapiens to the bit."""
    return Block(
        width,
        heads,
        mlp_ratio=MLP_RATIO,
        qkv_bias=True,
        norm_layer=partial(nn.LayerNorm, eps=EPSILON),  # type: ignore[arg-type]
    )


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)


def parameter_count(modules: Sequence[nn.Module] | nn.Module) -> int:
    """How many numbers the modules hold, learned or not."""
    several = [modules] if isinstance(modules, nn.Module) else modules
    return sum(math.prod(p.shape) for module in several for p in module.parameters())
