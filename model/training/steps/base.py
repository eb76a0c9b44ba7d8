"""What the trainers of all models have in common: their parts, and what a run asks of them."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from model.losses.collectives import rank_and_ranks
from model.random_numbers import mix
from model.training.steps.part_weights import PartWeights
from model.training.steps.plan import TrainingStep


@dataclass(frozen=True)
class Outcome:
    """What a step gave, as scalar tensors on the device, so that nothing waits for it.

    loss: of all ranks' samples. grad_norm: the model's gradient norm before clipping.
    feature_norm: mean norm of this rank's features; None for models that have none.
    """

    loss: Tensor
    grad_norm: Tensor
    feature_norm: Tensor | None = None


class BaseTrainer(ABC):
    """Model and optimizer of one rank; `step` moves them.

    A step is a function of the weights, the step's number and its samples: no random state is
    carried along. `mixed_precision` computes in bfloat16 where that is safe. `group`: the
    processes that train together; None is all of them.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer

    def __init__(self, *, seed: int, device: str, mixed_precision: bool, group: Any = None) -> None:
        self.device, self.seed = torch.device(device), seed
        self.mixed_precision, self.group = mixed_precision, group
        self.rank, self.ranks = rank_and_ranks(group)

    @abstractmethod
    def step(self, step: TrainingStep, samples: Any) -> Outcome:
        """Learns from this rank's samples of a step, together with the other ranks."""

    @abstractmethod
    def save_model(self, folder: Path) -> None:
        """Write the model, as its users load it, with its weights in `model.safetensors`."""

    def save_rest(self, folder: Path) -> None:  # noqa: B027 - most have nothing else
        """Write what else a checkpoint needs beside the model; every rank calls it."""

    def load_rest(self, folder: Path) -> None:  # noqa: B027
        """Take what `save_rest` wrote. Raises ValueError or OSError where it is damaged."""

    def ideal_seconds(self) -> Callable[[int], float] | None:
        """Seconds of a training image of so many tokens at all devices' peak; None: unknown."""
        return None

    def part_weights(self) -> PartWeights | None:
        """The weights that a semantic head has learned; None without one."""
        return None

    def _set_rate(self, rate: float) -> None:
        """The learning rate of a step; a group's `scale` is its part of it."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group.get("scale", 1.0)

    def _moved(self, x: Tensor) -> Tensor:
        return x.to(self.device, non_blocking=True)

    def _precision(self) -> AbstractContextManager[None]:
        if not self.mixed_precision:
            return nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)

    def _seed_for(self, step: int, use: int) -> int:
        """A seed from the run's seed, a step's number and the seed's use (0, 1, ...)."""
        numbers = mix(mix(mix(torch.tensor(self.seed)) + step) + use)
        return int(numbers) & ((1 << 62) - 1)
