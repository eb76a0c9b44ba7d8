"""AdamW with rates that fall from the head to the first layer."""

import re
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

_LAYER = re.compile(r"encoder\.blocks\.(\d+)\.")
_FIRST = ("encoder.patch_embed.", "encoder.pos_embed", "encoder.cls_token")
#: Tokens and tables, which are not decayed though they have several dimensions.
_PLACES = ("pos_embed", "cls_token", "mask_token")


def parameter_groups(
    model: nn.Module, *, weight_decay: float, layer_decay: float = 1.0
) -> list[dict[str, Any]]:
    """Groups of an optimizer; `scale` is a group's part of the learning rate.

    The rate of layer i of L is `layer_decay` ** (L - i); patches, positions and class token come
    before the first layer, the last norm and the head have the whole rate. Biases, norms,
    positions and tokens are not decayed. What needs no gradient is in none.
    """
    depth = _depth(name for name, _ in model.named_parameters())
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        scale = layer_decay ** (depth + 1 - layer_of(name, depth))
        decay = 0.0 if is_kept(name, parameter) else weight_decay
        groups.setdefault((scale, decay), []).append(parameter)
    return [
        {"params": parameters, "scale": scale, "weight_decay": decay}
        for (scale, decay), parameters in groups.items()
    ]


def layer_of(name: str, depth: int) -> int:
    """0 before the layers, 1 to `depth` in them, `depth` + 1 behind them."""
    if name.startswith(_FIRST):
        return 0
    match = _LAYER.match(name)
    return int(match[1]) + 1 if match else depth + 1


def is_kept(name: str, parameter: nn.Parameter) -> bool:
    """Whether weight decay leaves it."""
    return parameter.ndim <= 1 or name.endswith(".bias") or name.endswith(_PLACES)


def adamw(groups: list[dict[str, Any]], betas: tuple[float, float]) -> torch.optim.AdamW:
    """The optimizer; the learning rate is set before each step."""
    return torch.optim.AdamW(groups, lr=0.0, betas=betas, fused=True)


def _depth(names: Iterable[str]) -> int:
    return 1 + max((int(match[1]) for name in names if (match := _LAYER.match(name))), default=-1)
