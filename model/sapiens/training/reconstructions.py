"""Pictures of what masked pretraining has learned: seen patches, prediction, original."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from model.random_numbers import uniform
from model.sapiens.encoder import MEAN, STD, normalised
from model.sapiens.masked_autoencoder import MaskedAutoencoder, patchify, pictured, unpatchify

_GREY = 128
_GAP = 4


@torch.no_grad()
def reconstruct(model: MaskedAutoencoder, images_BCHW: Tensor, seed: int = 0) -> NDArray[np.uint8]:
    """A sheet of rows (H, W, 3) uint8: what is seen, what is predicted of the rest, the picture.

    images_BCHW: uint8 RGB. Predictions of a model with `normalise` are shown with the mean and
    deviation of each true patch, as they have none of their own.
    """
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    inputs = normalised(images_BCHW.to(device))
    rows, columns = model.encoder.grid
    seeds = torch.arange(len(inputs), device=device) + seed
    predicted, mask = model(inputs, uniform(seeds, rows * columns))
    model.train(was_training)
    predicted = predicted.float()
    shown = pictured(predicted, inputs) if model.normalise else predicted
    true, hidden = patchify(inputs), mask[..., None]
    grey = (torch.full((3,), float(_GREY)) - torch.tensor(MEAN)) / torch.tensor(STD)
    seen = torch.where(hidden > 0, grey.to(device).repeat(true.shape[-1] // 3), true)
    filled = torch.where(hidden > 0, shown, true)
    panels = [_pixels(unpatchify(part, rows)) for part in (seen, filled, true)]
    gap = np.full((*panels[0].shape[:2], _GAP, 3), 255, np.uint8)
    wide = np.concatenate([panels[0], gap, panels[1], gap, panels[2]], 2)
    lines = np.full((len(wide), _GAP, *wide.shape[2:]), 255, np.uint8)
    return np.concatenate([wide, lines], 1).reshape(-1, *wide.shape[2:])[:-_GAP]


def save_reconstructions(model: MaskedAutoencoder, images_BCHW: Tensor, path: Path) -> None:
    """Write `reconstruct`'s sheet as PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(reconstruct(model, images_BCHW)).save(path)


def _pixels(images_BCHW: Tensor) -> NDArray[np.uint8]:
    mean, std = (images_BCHW.new_tensor(value)[:, None, None] for value in (MEAN, STD))
    pixels = (images_BCHW * std + mean).round().clamp(0, 255).to(torch.uint8)
    return np.asarray(pixels.permute(0, 2, 3, 1).cpu().numpy())
