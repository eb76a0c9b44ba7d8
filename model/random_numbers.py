"""Random numbers that belong to a sample, wherever and in whatever batch it is computed.

A number is a hash of the sample's seed, so a step gives the same result on any number of ranks,
and a resumed run needs no random state. The hash is that of SplitMix64 (Steele et al., 2014).

Shape suffixes: B batch.
"""

import torch
from torch import Tensor

_STEP, _FIRST, _SECOND = (
    value - (1 << 64) if value >= 1 << 63 else value  # as signed numbers, which wrap around
    for value in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
)
_BITS = 24  # of a float32's mantissa


def uniform(seeds_B: Tensor, count: int, stream: int = 0) -> Tensor:
    """`count` numbers (B, count), float32 uniform in [0, 1), for each int64 seed.

    Different streams of a seed are independent of one another.
    """
    place = torch.arange(1, count + 1, dtype=torch.int64, device=seeds_B.device)
    start_B1 = mix(mix(seeds_B) + stream)[:, None]
    bits = _right(mix(start_B1 + place * _STEP), 64 - _BITS)
    return bits.float() / (1 << _BITS)


def mix(numbers: Tensor) -> Tensor:
    """SplitMix64's hash of int64 numbers: a bijection under which no pattern survives."""
    numbers = numbers + _STEP
    numbers = (numbers ^ _right(numbers, 30)) * _FIRST
    numbers = (numbers ^ _right(numbers, 27)) * _SECOND
    return numbers ^ _right(numbers, 31)


def _right(numbers: Tensor, shift: int) -> Tensor:
    """The bits shifted to the right with zeros coming in: torch's own shift keeps the sign."""
    return (numbers >> shift) & ((1 << (64 - shift)) - 1)
