"""State dicts of the SapiensID authors: their names and order, to ours and back.

Their keypoints 1, 2 (eyes) and 3, 4 (mouth corners) are named by the image's side, ours by the
subject's; weights that belong to one keypoint change places accordingly.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from model.kprpe import BUCKETS

POSITIONS = "net.backbone.pos_embed"
_BIAS = "net.rpe_module.keypoint_linear"
_NAMES = (  # our prefix, theirs
    ("mask_token_D", "net.mask_token"),
    ("cls_token_D", "net.backbone.cls_token"),
    ("blocks.", "net.backbone.blocks."),
    ("norm.", "net.backbone.norm."),
    ("patch_embed.proj.", "net.patch_embed.patch_embed."),
    ("patch_embed.level_RD", "net.patch_embed.level_embed"),
    ("keypoint_bias.shrink.", f"{_BIAS}.linear1."),
    ("keypoint_bias.mix.", f"{_BIAS}.fc.0."),
    ("keypoint_bias.table.", f"{_BIAS}.fc.2."),
    ("head.offsets_PD", "net.head.query_pos_emb"),
    ("head.part_weights", "net.head.learned_mask"),
    ("head.attention.lambda_", "net.head.attn.lambda_"),
    *((f"head.attention.{x}.", f"net.head.attn.{x}_proj.") for x in ("q", "k", "v", "out")),
    ("head.project.", "net.head.flatten_feature."),
)
#: Leading dimensions of size 1 that their tensors have and ours lack.
_EXTRA = {"mask_token_D": 1, "cls_token_D": 2, "head.offsets_PD": 1}
#: Tensors with an axis over keypoints: the axis, and what comes before the keypoint on it.
_BY_KEYPOINT = {
    "keypoint_bias.mix.weight": (1, 1),
    "head.offsets_PD": (0, 1),
    "head.part_weights": (1, 2),
    "head.project.0.weight": (1, 2),
}
_SWAP = (0, 2, 1, 4, 3, *range(5, 19))


def to_authors(state: Mapping[str, Tensor], table_SSD: Tensor) -> dict[str, Tensor]:
    """Our state dict, and the fixed table of positions, under the authors' names."""
    out = {}
    for key, value in state.items():
        ours, theirs = next(pair for pair in _NAMES if key.startswith(pair[0]))
        value = _swap(key, value)
        out[theirs + key.removeprefix(ours)] = value[(None,) * _EXTRA.get(key, 0)]
    cells_ND = table_SSD.flatten(0, 1)
    out[POSITIONS] = torch.cat([torch.zeros_like(cells_ND[:1]), cells_ND])[None]
    return out


def from_authors(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The authors' state dict, whose shapes have been checked, under our names."""
    out = {}
    for key, value in state.items():
        if key == POSITIONS:
            continue
        ours, theirs = next(pair for pair in _NAMES if key.startswith(pair[1]))
        name = ours + key.removeprefix(theirs)
        out[name] = _swap(name, value[(0,) * _EXTRA.get(name, 0)])
    return out


def sizes(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """SapiensID's constructor arguments, read off the shapes of an authors' state dict.

    Raises ValueError naming the telling entries that are missing or have a wrong dimension.
    """
    ranks = {
        POSITIONS: 3,
        "net.backbone.blocks.0.mlp.fc1.weight": 2,
        "net.patch_embed.patch_embed.weight": 2,
        f"{_BIAS}.fc.2.weight": 2,
        "net.head.query_pos_emb": 3,
        "net.head.learned_mask": 2,
        "net.head.flatten_feature.2.weight": 2,
    }
    wrong = [key for key, ndim in ranks.items() if key not in state or state[key].ndim != ndim]
    if wrong:
        raise ValueError(f"no SapiensID of the authors: missing or misshapen {', '.join(wrong)}")
    positions, mlp, patches, bias, parts, datasets, feature = (state[key].shape for key in ranks)
    width = positions[2]
    grid = math.isqrt(max(positions[1] - 1, 1))
    blocks = {key.split(".")[3] for key in state if key.startswith("net.backbone.blocks.")}
    depth = len(blocks)
    return {
        "depth": depth,
        "width": width,
        "heads": max(1, bias[0] // (depth * (BUCKETS + 1))),
        "feature_dim": feature[0],
        "mlp_ratio": mlp[0] / width,
        "image_size": grid * math.isqrt(patches[1] // 3),
        "grid": grid,
        "level_embedding": "net.patch_embed.level_embed" in state,
        "keypoint_bias": bias[1],
        "offsets": max(1, parts[1] // len(_SWAP)),
        "datasets": datasets[0],
    }


def _swap(key: str, value: Tensor) -> Tensor:
    if key not in _BY_KEYPOINT:
        return value
    axis, before = _BY_KEYPOINT[key]
    split = value.unflatten(axis, (before, len(_SWAP), -1))
    order = torch.tensor(_SWAP, device=value.device)
    ours: Tensor = split.index_select(axis + 1, order).flatten(axis, axis + 2)
    return ours
