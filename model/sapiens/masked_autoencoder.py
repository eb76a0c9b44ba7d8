"""Masked pretraining (He et al., 2022): most patches are hidden, and what they show is predicted.

Shape suffixes: B batch, C channels, H W image sides, N patches, M kept ones, D width, E width of
the decoder, P numbers of a patch.
"""

from typing import Any

import torch
from torch import Tensor, nn

from model.sapiens.encoder import EPSILON, SapiensEncoder, block
from model.sapiens.positions import sine_cosine
from model.sapiens.sizes import PATCH, EncoderSize

#: Numbers of a patch: rows, columns, colours.
NUMBERS = PATCH * PATCH * 3
#: Share of the patches that are hidden.
MASK_RATIO = 0.75
#: The published decoder, the same for encoders of all sizes.
DECODER = EncoderSize(512, 8, 16)


class MaskedAutoencoder(nn.Module):
    """Encoder of the patches that are kept, and a small decoder of all of them.

    Args:
        size: The encoder's.
        side: Of the square images in pixels.
        decoder: Width, depth and heads of the decoder.
        mask_ratio: Share of hidden patches.
        normalise: Whether the target of a patch is its pixels' difference from their mean in
            their standard deviations; such predictions are no picture.
        recompute: See SapiensEncoder.
    """

    def __init__(
        self,
        size: EncoderSize,
        side: int,
        *,
        decoder: EncoderSize = DECODER,
        mask_ratio: float = MASK_RATIO,
        normalise: bool = True,
        recompute: bool = False,
    ) -> None:
        super().__init__()
        if not 0 < mask_ratio < 1:
            raise ValueError(f"the share of hidden patches must be in (0, 1), not {mask_ratio}")
        self.decoder, self.mask_ratio, self.normalise = decoder, mask_ratio, normalise
        self.encoder = SapiensEncoder(
            size, (side, side), class_token=True, fixed_positions=True, recompute=recompute
        )
        grid = self.encoder.grid
        if self.kept(grid[0] * grid[1]) < 1:
            raise ValueError(f"of {grid[0] * grid[1]} patches none would be kept")
        self.decoder_embed = nn.Linear(size.width, decoder.width)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, decoder.width))
        table = sine_cosine(grid, decoder.width, class_token=True)
        self.decoder_pos_embed = nn.Parameter(table, requires_grad=False)
        self.decoder_blocks = nn.ModuleList(
            block(decoder.width, decoder.heads) for _ in range(decoder.depth)
        )
        self.decoder_norm = nn.LayerNorm(decoder.width, eps=EPSILON)
        self.decoder_pred = nn.Linear(decoder.width, NUMBERS)
        for layer in (self.decoder_embed, self.decoder_pred, *self._decoder_maps()):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
        nn.init.normal_(self.mask_token, std=0.02)

    def _decoder_maps(self) -> list[nn.Linear]:
        return [m for m in self.decoder_blocks.modules() if isinstance(m, nn.Linear)]

    @property
    def config(self) -> dict[str, Any]:
        """What the model is, as its file tells it."""
        return {
            "size": vars(self.encoder.size),
            "side": self.encoder.image_size[0],
            "decoder": vars(self.decoder),
            "mask_ratio": self.mask_ratio,
            "normalise": self.normalise,
        }

    def kept(self, patches: int) -> int:
        """How many of so many patches are looked at."""
        return int(patches * (1 - self.mask_ratio))

    def forward(self, images_BCHW: Tensor, noise_BN: Tensor) -> tuple[Tensor, Tensor]:
        """Predictions (B, N, P) of all patches, and the mask (B, N), 1 where one was hidden.

        images_BCHW: as `model.sapiens.encoder.normalised` gives them. noise_BN: a number for each
        patch; those with the lowest are kept.
        """
        order_BN = noise_BN.argsort(dim=1)
        count = self.kept(noise_BN.shape[1])
        tokens_BMD, _ = self.encoder.tokens(images_BCHW, order_BN[:, :count])
        restore_BN = order_BN.argsort(dim=1)
        mask_BN = (restore_BN >= count).to(noise_BN.dtype)
        return self.decode(tokens_BMD, restore_BN), mask_BN

    def decode(self, tokens_BMD: Tensor, restore_BN: Tensor) -> Tensor:
        """Predictions (B, N, P) from the kept tokens (class token first) and each patch's rank."""
        x_BME: Tensor = self.decoder_embed(tokens_BMD)
        hidden = restore_BN.shape[1] - (x_BME.shape[1] - 1)
        masks = self.mask_token.to(x_BME.dtype).expand(len(x_BME), hidden, -1)
        x_BNE = torch.cat([x_BME[:, 1:], masks], 1)
        x_BNE = x_BNE.gather(1, restore_BN[..., None].expand(-1, -1, x_BNE.shape[-1]))
        x_BNE = torch.cat([x_BME[:, :1], x_BNE], 1) + self.decoder_pos_embed
        for layer in self.decoder_blocks:
            x_BNE = layer(x_BNE)
        out: Tensor = self.decoder_pred(self.decoder_norm(x_BNE))
        patches: Tensor = out[:, 1:]
        return patches

    def target(self, images_BCHW: Tensor) -> Tensor:
        """What is to be predicted (B, N, P)."""
        patches_BNP = patchify(images_BCHW)
        return standardised(patches_BNP) if self.normalise else patches_BNP

    def loss(self, predicted_BNP: Tensor, images_BCHW: Tensor, mask_BN: Tensor) -> Tensor:
        """Mean squared error of the hidden patches, the mean over those of the whole batch."""
        return reconstruction_loss(predicted_BNP, self.target(images_BCHW), mask_BN)


def reconstruction_loss(predicted_BNP: Tensor, target_BNP: Tensor, mask_BN: Tensor) -> Tensor:
    """Mean squared error of the patches where the mask is 1; 0 where there is none."""
    errors_BN = (predicted_BNP.float() - target_BNP.float()).square().mean(-1)
    return (errors_BN * mask_BN).sum() / mask_BN.sum().clamp_min(1)


def patchify(images_BCHW: Tensor) -> Tensor:
    """Patches (B, N, P) row by row; the numbers of one are rows, columns, colours."""
    size = (PATCH, PATCH)
    x: Tensor = images_BCHW.unfold(2, *size).unfold(3, *size)  # B C Y X rows columns
    return x.permute(0, 2, 3, 4, 5, 1).flatten(1, 2).flatten(2)


def unpatchify(patches_BNP: Tensor, rows: int) -> Tensor:
    """The images (B, C, H, W) of patches of a grid with so many rows."""
    x: Tensor = patches_BNP.unflatten(2, (PATCH, PATCH, 3)).unflatten(1, (rows, -1))
    return x.permute(0, 5, 1, 3, 2, 4).flatten(4, 5).flatten(2, 3)


def standardised(patches_BNP: Tensor) -> Tensor:
    """Each patch's numbers less their mean, by their standard deviation (of a sample)."""
    mean, variance = patches_BNP.mean(-1, keepdim=True), patches_BNP.var(-1, keepdim=True)
    return (patches_BNP - mean) / (variance + 1e-6).sqrt()


def pictured(predicted_BNP: Tensor, images_BCHW: Tensor) -> Tensor:
    """Predictions of a model with `normalise` as pixels: with the mean and deviation of the image's
    own patches, as pictures of such predictions are usually drawn."""
    patches_BNP = patchify(images_BCHW)
    mean, variance = patches_BNP.mean(-1, keepdim=True), patches_BNP.var(-1, keepdim=True)
    return predicted_BNP * (variance + 1e-6).sqrt() + mean
