"""Parameters and multiplications of Sapiens' models.

The paper counts a model's parameters with its pretraining decoder, and calls multiplications (MACs)
FLOPs: of the linear layers and the patches' convolution at 1024 x 1024 with the class token,
without the products of attention. `encoder_macs` gives both that and the true count.
"""

from torch import nn

from model.sapiens.heads import ConvolutionHead
from model.sapiens.sizes import MLP_RATIO, PATCH, EncoderSize


def layer_macs(size: EncoderSize, tokens: int, *, attention: bool) -> int:
    """Multiplications of one transformer layer; `attention`: with the products of tokens."""
    linear = tokens * (4 + 2 * MLP_RATIO) * size.width**2
    return linear + (2 * tokens**2 * size.width if attention else 0)


def encoder_macs(
    size: EncoderSize, patches: int, *, class_token: bool = False, attention: bool = True
) -> int:
    """Multiplications of one image of so many patches."""
    tokens = patches + class_token
    embedding = patches * PATCH * PATCH * 3 * size.width
    return embedding + size.depth * layer_macs(size, tokens, attention=attention)


def norm_operations(size: EncoderSize, tokens: int) -> int:
    """What counters add for the norms: 5 for each number that goes through one."""
    return 5 * size.width * tokens * (2 * size.depth + 1)


def head_macs(head: ConvolutionHead, grid: tuple[int, int]) -> int:
    """Multiplications of a head on the features of one image."""
    pixels, macs = grid[0] * grid[1], 0
    for layer in head.modules():
        if isinstance(layer, nn.ConvTranspose2d):
            macs += pixels * layer.weight.numel()
            pixels *= 4  # each of its weights serves every pixel of what comes in
        elif isinstance(layer, nn.Conv2d):
            macs += pixels * layer.weight.numel()
    return macs


def pretraining_macs(
    size: EncoderSize, decoder: EncoderSize, patches: int, kept: int
) -> tuple[int, int]:
    """Multiplications of encoder and decoder for an image of which `kept` patches are looked at."""
    embedding = patches * PATCH * PATCH * 3 * size.width
    encoder = embedding + size.depth * layer_macs(size, kept + 1, attention=True)
    tokens = patches + 1
    ends = (kept + 1) * size.width * decoder.width + tokens * decoder.width * PATCH * PATCH * 3
    return encoder, ends + decoder.depth * layer_macs(decoder, tokens, attention=True)
