"""The plan of a run: samples, kept tokens and learning rate of every step.

A plan is a function of its arguments, the same on every rank and after every restart.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from model.random_numbers import uniform
from model.training.steps.schedule import Batches, LearningRate


@dataclass(frozen=True)
class TrainingStep:
    """One training step of all ranks together.

    number: from 0. start, size: its samples' positions in the order. tokens: how many each of them
    keeps. rate: the learning rate.
    """

    number: int
    start: int
    size: int
    tokens: int
    rate: float


def plan(
    batches: Batches,
    *,
    samples: int,
    warmup: int,
    rate: float,
    seed: int,
    token_multiple: int = 1,
) -> Sequence[TrainingStep]:
    """The steps of a run over `samples` samples, `warmup` of them with a rising learning rate.

    `rate` is the highest learning rate, of the largest batches; smaller ones get their share. Kept
    tokens, with CLS and the mask token, are a multiple of `token_multiple`: kernels like multiples
    of 8, and a compiled model meets fewer shapes. The last step takes what the others left, if that
    makes a batch, so that all samples are seen but for less than the smallest batch.
    """
    steps: list[tuple[int, int, int]] = []
    position, warm_steps = 0, 0
    draws = _draws(seed)
    while True:
        tokens = _rounded(batches.distribution.count(next(draws)), token_multiple)
        size = batches.size(tokens)
        if position + size > samples:
            size = (samples - position) // batches.multiple * batches.multiple
            if size < 2:  # batch norm has no statistics of a single sample
                break
        steps.append((position, size, tokens))
        position += size
        warm_steps += position <= warmup
    if not steps:
        raise ValueError(f"{samples} samples make no batch of a multiple of {batches.multiple}")
    schedule = LearningRate(rate, min(warm_steps, len(steps) - 1), len(steps))
    return [
        TrainingStep(number, start, size, tokens, schedule.at(number) * size / batches.largest)
        for number, (start, size, tokens) in enumerate(steps)
    ]


def _draws(seed: int, block: int = 4096) -> Iterator[float]:
    start = 0
    while True:
        seeds = torch.arange(start, start + block) + (seed << 32)
        yield from uniform(seeds, 1, stream=3)[:, 0].tolist()
        start += block


def _rounded(tokens: int, multiple: int) -> int:
    ends = 2  # CLS and the mask token
    return max(1, round((tokens + ends) / multiple) * multiple - ends)
