"""Outputs of the reference code for small models, whose weights follow from keys and a seed."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from model.sapiens.encoder import normalised
from model.sapiens.published import from_published
from model.sapiens.sizes import EncoderSize
from tests.model.golden_weights import rule_weights

DATA = Path(__file__).parent / "data"
SEEDS = (0, 1)


def golden(kind: str, seed: int) -> dict[str, Any]:
    """The arrays of a kind."""
    with np.load(DATA / f"{kind}_seed{seed}.npz") as file:
        return {name: file[name] for name in file.files}


def size_of(arrays: dict[str, Any]) -> EncoderSize:
    """The encoder's size."""
    return EncoderSize(*(int(arrays[name]) for name in ("dim", "depth", "heads")))


def weights(arrays: dict[str, Any], seed: int, suffix: str = "") -> dict[str, Tensor]:
    """The state dict with our keys, which the rule fills under the published ones."""
    keys, shapes = arrays[f"param_keys{suffix}"], arrays[f"param_shapes{suffix}"]
    expected = {
        str(key): torch.empty([int(side) for side in str(shape).split("x")])
        for key, shape in zip(keys, shapes, strict=True)
    }
    state = rule_weights(expected, seed)
    for theirs, name in (
        ("backbone.pos_embed", "pos_embed"),
        ("neck.decoder_pos_embed", "decoder_pos_embed"),
    ):
        if name in arrays:
            state[theirs] = torch.from_numpy(arrays[name])
    return from_published(state)


def inputs(images_BHWC: Any) -> Tensor:
    """Pictures as a network takes them."""
    return normalised(torch.from_numpy(images_BHWC).permute(0, 3, 1, 2))


def close(ours: Tensor, theirs: Any, tolerance: float) -> None:
    """Both have one shape, and differ by no more than the tolerance."""
    assert tuple(ours.shape) == np.shape(theirs)
    assert float((ours.detach() - torch.as_tensor(theirs)).abs().max()) <= tolerance
