"""Arithmetic of SapiensID, in floating-point operations (two for each multiplication) per image.

Counted are matrix products, as usual; everything else is below a percent of them. The sum equals
what torch's FlopCounterMode counts.
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from model.sapiensid.heads.encoded import Encoded
from model.sapiensid.heads.pooled import PooledHead
from model.sapiensid.heads.semantic import SemanticHead
from model.sapiensid.sapiensid import SapiensID


class _Product(NamedTuple):
    """One product, and how many products of the same size its gradients take: one for each of its
    two factors that needs a gradient."""

    flops: float
    gradients: int = 2


def forward_flops(model: SapiensID, tokens: int) -> float:
    """Operations of one image's forward that keeps `tokens` tokens."""
    products = sum(product.flops for product in _products(model, tokens))
    return products + _counted_head(model, tokens, backward=False)


def training_flops(model: SapiensID, tokens: int) -> float:
    """Operations of one image's forward and backward; the classifier's are not among them."""
    products = _products(model, tokens)
    return sum(one.flops * (1 + one.gradients) for one in products) + _counted_head(
        model, tokens, backward=True
    )


def classifier_flops(width: int, classes: float) -> float:
    """Operations of one image's forward and backward through a classifier, all ranks together.

    classes: those in use in a step, such as PartialFC's rate times all classes.
    """
    return 3 * 2 * width * classes


def encoder_flops(blocks: Iterable[nn.Module], tokens: int) -> float:
    """Operations of one image's forward through EncoderBlocks, all its tokens counted."""
    return sum(product.flops for product in _encoder(blocks, tokens))


def peak_flops(device: torch.device | str, dtype: torch.dtype) -> float | None:
    """Operations per second that a device's data sheet promises, without sparsity.

    None where it is unknown: for a CPU, for a GPU that is not in the table, and for a type that the
    GPU has no units for. float32 is plain, not TensorFloat-32.
    """
    device = torch.device(device)
    if device.type != "cuda":
        return None
    name = torch.cuda.get_device_name(device)
    fits = (peaks for part, peaks in _PEAKS.items() if re.search(rf"\b{part}\b", name))
    half, single = next(fits, (None, None))
    peak = {torch.bfloat16: half, torch.float16: half, torch.float32: single}.get(dtype)
    return None if peak is None else peak * 1e12


#: TFLOP/s in half precision (with sums in float32) and in float32, by words of the device's name;
#: the first that fit count. Source: NVIDIA's data sheets.
_PEAKS: dict[str, tuple[float, float]] = {
    "B200": (2250, 75),
    "H200 NVL": (836, 60),
    "H200": (989, 67),
    "GH200": (989, 67),
    "H100 NVL": (836, 60),
    "H100 PCIe": (756, 51),
    "H100": (989, 67),
    "H800": (989, 67),
    "A100": (312, 19.5),
    "A800": (312, 19.5),
    "A40": (149.7, 37.4),
    "A30": (165, 10.3),
    "A10G": (70, 31.2),
    "A10": (125, 31.2),
    "RTX A6000": (154.8, 38.7),
    "L40S": (362, 91.6),
    "L40": (181, 90.5),
    "L4": (121, 30.3),
    "RTX 4090": (165.2, 82.6),
    "RTX 3090": (71, 35.6),
}


def _products(model: SapiensID, tokens: int) -> Iterator[_Product]:
    tokens = min(tokens, model.slots)
    all_tokens = tokens + (1 if model.mask_token_D is None else 2)  # CLS, and the mask token
    width = model.positions.table_SSD.shape[-1]
    cells = model.grid**2
    # Positions are fixed but for a learned level embedding.
    learned_place = 0 if model.patch_embed.level_RD is None else 1
    yield _Product(2 * cells * width * (tokens + model.keypoints), 0)
    yield _map(model.patch_embed.proj, tokens, 1)
    if (bias := model.keypoint_bias) is not None:
        yield _map(bias.shrink, all_tokens, 1 + learned_place)
        yield _map(bias.shrink, model.keypoints, 1)
        yield _map(bias.mix, all_tokens)
        yield _map(bias.table, all_tokens)
    yield from _encoder(model.blocks, all_tokens)
    if isinstance(model.head, SemanticHead):
        yield from _parts(model.head, tokens, width, learned_place)
    if isinstance(model.head, SemanticHead | PooledHead):
        for layer in model.head.project:
            if isinstance(layer, nn.Linear):
                yield _map(layer, 1)


def _counted_head(model: SapiensID, tokens: int, backward: bool) -> float:
    """What torch counts in a head of our own, on tensors that hold no memory."""
    if isinstance(model.head, SemanticHead | PooledHead):
        return 0.0
    tokens, width = min(tokens, model.slots), model.positions.table_SSD.shape[-1]
    learned_place = model.patch_embed.level_RD is not None
    with FakeTensorMode(allow_non_fake_inputs=True), torch.device("cpu"):
        encoded = Encoded(
            torch.empty(2, tokens, width, requires_grad=backward),
            torch.empty(2, tokens, width, requires_grad=backward and learned_place),
            torch.empty(2, tokens, dtype=torch.int64),
            torch.ones(2, tokens, dtype=torch.bool),
            torch.empty(2, 1 + len(model.regions), 4),
            torch.empty(2, model.keypoints, width),
            torch.ones(2, model.keypoints, dtype=torch.bool),
        )
        state = {
            name: torch.empty_like(one, device="cpu", requires_grad=backward)
            for name, one in model.head.named_parameters()
        }
        state |= {k: torch.empty_like(v, device="cpu") for k, v in model.head.named_buffers()}
        # Not every attention kernel is counted by every version of torch; products are.
        with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
            feature_BF = functional_call(model.head, state, (encoded,))
            if backward:
                feature_BF.sum().backward()
    return float(counter.get_total_flops()) / 2


def _encoder(blocks: Iterable[nn.Module], tokens: int) -> Iterator[_Product]:
    for block in blocks:
        linear = [layer for layer in block.modules() if isinstance(layer, nn.Linear)]
        yield from (_map(layer, tokens) for layer in linear)
        width = linear[0].in_features
        yield _Product(2 * 2 * width * tokens**2)  # scores, and sums of the values


def _parts(head: SemanticHead, tokens: int, width: int, learned_place: int) -> Iterator[_Product]:
    parts = len(head.offsets_PD)
    attention = head.attention
    yield _map(attention.q, parts)
    yield _map(attention.k, tokens, 1 + learned_place)
    yield _map(attention.v, tokens)
    yield _map(attention.out, parts)
    product = 2 * parts * width * tokens
    yield _Product(2 * product)  # scores of both maps, and sums of the values
    if head.peak == "top1":
        yield _Product(product, 0)
    else:
        yield _Product(product, 1 + learned_place)
        yield _Product(product)


def _map(layer: nn.Linear, rows: int, gradients: int = 2) -> _Product:
    return _Product(2 * layer.weight.numel() * rows, gradients)
