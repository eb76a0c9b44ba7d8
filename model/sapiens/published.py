"""Published checkpoints: their keys and ours, and what a checkpoint's model is.

The files say neither their task nor their patches' padding; keys and shapes give the task, and the
task the padding.

    [backbone.]cls_token, pos_embed, patch_embed.projection, layers.N.{ln1, attn.qkv, attn.proj,
    ln2, ffn.layers.0.0, ffn.layers.1}, ln1
    head.{deconv_layers, conv_layers, final_layer}           pose
    decode_head.{deconv_layers, conv_layers, conv_seg}       the other tasks
    neck.{mask_token, decoder_*, ln1}                        pretraining with its decoder
"""

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from model.sapiens.positions import grid_of
from model.sapiens.sizes import PATCH, SIZES
from model.sapiens.task_model import TASKS

_POSITIONS = "pos_embed"
_LAYER = re.compile(r"(encoder\.blocks|decoder_blocks)\.(\d+)\.(.+)")
#: Inside a transformer layer: theirs, ours.
_INSIDE = (
    ("ln1", "norm1"),
    ("ln2", "norm2"),
    ("ffn.layers.0.0", "mlp.fc1"),
    ("ffn.layers.1", "mlp.fc2"),
)
#: The beginnings of keys: theirs, ours.
_PREFIXES = (
    ("patch_embed.projection.", "encoder.patch_embed."),
    ("layers.", "encoder.blocks."),
    ("ln1.", "encoder.norm."),
    ("cls_token", "encoder.cls_token"),
    ("pos_embed", "encoder.pos_embed"),
)
_REST = (
    ("neck.ln1.", "decoder_norm."),
    ("neck.", ""),
    ("decode_head.conv_seg.", "head.final."),
    ("decode_head.", "head."),
    ("head.final_layer.", "head.final."),
)


def is_published(state: Mapping[str, Tensor]) -> bool:
    """Whether the keys are those of a published checkpoint."""
    return any(key.removeprefix("backbone.") == "patch_embed.projection.weight" for key in state)


def from_published(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict with our keys; what has none of its own keeps its name."""
    return {_our_key(key): value for key, value in state.items()}


def to_published(state: Mapping[str, Tensor], *, backbone: bool = True) -> dict[str, Tensor]:
    """Our state dict with published keys; `backbone`: with that prefix for the encoder's."""
    is_pose = not any(key.startswith("decoder_") for key in state) and _ups(state) == 2
    return {_their_key(key, is_pose, backbone): value for key, value in state.items()}


def _our_key(key: str) -> str:
    own = key.removeprefix("backbone.")
    for theirs, ours in _REST if own == key else ():
        if own.startswith(theirs):
            own = ours + own.removeprefix(theirs)
            break
    else:
        for theirs, ours in _PREFIXES:
            if own.startswith(theirs):
                own = ours + own.removeprefix(theirs)
                break
    return _inside(own, _INSIDE)


def _their_key(key: str, is_pose: bool, backbone: bool) -> str:
    inner = _inside(key, tuple((ours, theirs) for theirs, ours in _INSIDE))
    if inner.startswith("encoder."):
        for theirs, ours in _PREFIXES:
            if inner.startswith(ours):
                return ("backbone." if backbone else "") + theirs + inner.removeprefix(ours)
    if inner.startswith("head."):
        prefix, last = ("head.", "final_layer.") if is_pose else ("decode_head.", "conv_seg.")
        return prefix + inner.removeprefix("head.").replace("final.", last)
    if inner.startswith("decoder_norm."):
        return "neck.ln1." + inner.removeprefix("decoder_norm.")
    return "neck." + inner


def _inside(key: str, names: tuple[tuple[str, str], ...]) -> str:
    """A key with the names inside a transformer layer changed."""
    if not (match := _LAYER.fullmatch(key)):
        return key
    blocks, number, rest = match.groups()
    for before, after in names:
        if rest.startswith(f"{before}."):
            rest = after + rest.removeprefix(before)
            break
    return f"{blocks}.{number}.{rest}"


def _ups(state: Mapping[str, Tensor]) -> int:
    found = {key for key in state if re.fullmatch(r"head\.deconv_layers\.\d+\.weight", key)}
    return len(found)


def config_of(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """The configuration of a state dict with our keys, as models' files tell it.

    `task` is one of TASKS, "pretraining" with a decoder, or "encoder" without any head. Raises
    ValueError where keys or shapes are of no such model.
    """
    try:
        positions, patch = state["encoder.pos_embed"], state["encoder.patch_embed.weight"]
    except KeyError as error:
        raise ValueError(f"it lacks {error.args[0]}: no Sapiens checkpoint") from error
    if positions.ndim != 3 or patch.shape[1:] != (3, PATCH, PATCH):
        raise ValueError("its positions or patches are not those of a Sapiens model")
    width = patch.shape[0]
    depth = _depth(state, "encoder.blocks")
    grid, _ = grid_of(positions.shape[1])
    has_class = "encoder.cls_token" in state
    size = {"width": width, "depth": depth, "heads": _heads(width, depth)}
    image_size = [side * PATCH for side in grid]
    if "decoder_pred.weight" in state:
        narrow = state["decoder_embed.weight"].shape[0]
        layers = _depth(state, "decoder_blocks")
        return {
            "task": "pretraining",
            "size": size,
            "side": image_size[0],
            "decoder": {"width": narrow, "depth": layers, "heads": _decoder_heads(narrow)},
        }
    if "head.final.weight" not in state:
        return {
            "task": "encoder",
            "size": size,
            "image_size": image_size,
            "class_token": has_class,
            "patch_padding": 0,
        }
    outputs, channels = state["head.final.weight"].shape[:2]
    task = next(
        (
            task
            for task in TASKS.values()
            if outputs in task.outputs and task.upsamplings == _ups(state)
        ),
        None,
    )
    if task is None:
        raise ValueError(f"its head has {outputs} outputs and {_ups(state)} upsamplings: no task's")
    return {
        "task": task.name,
        "size": size,
        "image_size": image_size,
        "outputs": outputs,
        "channels": channels,
        "patch_padding": task.padding_for(outputs),
    }


def _depth(state: Mapping[str, Tensor], blocks: str) -> int:
    numbers = [
        int(key.split(".")[blocks.count(".") + 1]) for key in state if key.startswith(blocks)
    ]
    return max(numbers, default=-1) + 1


def _heads(width: int, depth: int) -> int:
    """Weights tell nothing of the number of heads; the published sizes do."""
    for size in SIZES.values():
        if (size.width, size.depth) == (width, depth):
            return size.heads
    raise ValueError(
        f"an encoder of width {width} and depth {depth} is of no known size; its number of heads "
        "must be given"
    )


def _decoder_heads(width: int) -> int:
    if width != 512:
        raise ValueError(f"a decoder of width {width} is not the published one (512)")
    return 16


def without_head(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The encoder's part of a state dict with our keys, without `encoder.` before them."""
    begin = "encoder."
    return {key.removeprefix(begin): v for key, v in state.items() if key.startswith(begin)}
