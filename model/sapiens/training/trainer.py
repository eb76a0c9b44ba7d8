"""One training step of a Sapiens model, on any number of ranks; subclasses say what the loss is.

Shape suffixes: B samples of this rank, C channels, H W image sides, N patches.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from model.flops import peak_flops
from model.losses.collectives import sum_over_ranks_
from model.random_numbers import uniform
from model.sapiens.encoder import normalised
from model.sapiens.masked_autoencoder import MaskedAutoencoder
from model.sapiens.saved import SapiensKind, save
from model.sapiens.training.loader import Batch
from model.sapiens.training.optimizer import adamw
from model.training.steps.base import BaseTrainer, Outcome
from model.training.steps.plan import TrainingStep

#: Forward and backward, in multiples of the forward's arithmetic; two operations a product.
_TRAINING, _OPERATIONS = 3, 2


class SapiensTrainer(BaseTrainer):
    """A model and its optimizer of one rank.

    groups: of the optimizer, see `parameter_groups`. max_grad_norm: clips the gradient. macs:
    multiplications of an image's forward, for the utilisation. compiled: compiles a layer, once
    for all layers.
    """

    model: SapiensKind

    def __init__(
        self,
        model: SapiensKind,
        groups: list[dict[str, Any]],
        *,
        betas: tuple[float, float],
        max_grad_norm: float,
        seed: int,
        device: str = "cpu",
        mixed_precision: bool = False,
        compiled: bool = False,
        macs: float = 0.0,
    ) -> None:
        super().__init__(seed=seed, device=device, mixed_precision=mixed_precision)
        self.model = model.to(self.device).train()
        self.optimizer = adamw(groups, betas)
        self.max_grad_norm, self._macs = max_grad_norm, macs
        if compiled:
            compile_layers(model.encoder.blocks)
        self._parallel: nn.Module = self.model
        if dist.is_available() and dist.is_initialized():
            self._parallel = DistributedDataParallel(self.model)

    def step(self, step: TrainingStep, samples: Batch) -> Outcome:
        """Learns from this rank's samples of a step, together with the other ranks."""
        self._set_rate(step.rate)
        batch = {name: self._moved(value) for name, value in samples.items()}
        # Drop-out draws from torch's own numbers, which a checkpoint does not hold.
        torch.manual_seed(self._seed_for(step.number, 2) + self.rank)
        loss = self.loss(step, batch)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        gradient = nn.utils.clip_grad_norm_(self.model.parameters(), self.max_grad_norm)
        self.optimizer.step()
        mean = sum_over_ranks_(loss.detach().clone(), self.group) / self.ranks
        return Outcome(mean, gradient)

    @abstractmethod
    def loss(self, step: TrainingStep, batch: Batch) -> Tensor:
        """The loss of this rank's samples; the mean over ranks is that of all."""

    def save_model(self, folder: Path) -> None:
        """As `model.sapiens.saved.load_any` reads it."""
        save(self.model, folder)

    def ideal_seconds(self) -> Callable[[int], float] | None:
        """At the data sheet's peak of all devices."""
        dtype = torch.bfloat16 if self.mixed_precision else torch.float32
        peak = peak_flops(self.device, dtype)
        if peak is None or not self._macs:
            return None
        seconds = _TRAINING * _OPERATIONS * self._macs / (peak * self.ranks)
        return lambda tokens: seconds


class PretrainingTrainer(SapiensTrainer):
    """Masked pretraining; samples are `image` (B, 3, H, W) uint8."""

    model: MaskedAutoencoder

    def loss(self, step: TrainingStep, batch: Batch) -> Tensor:
        """The mean over the hidden patches; which are hidden follows from a sample's position."""
        images_BCHW = normalised(batch["image"])
        places_B = torch.arange(len(images_BCHW), device=self.device) * self.ranks + self.rank
        rows, columns = self.model.encoder.grid
        seeds_B = places_B + step.start + self._seed_for(0, 0)
        with self._precision():
            predicted_BNP, mask_BN = self._parallel(images_BCHW, uniform(seeds_B, rows * columns))
        return self.model.loss(predicted_BNP, images_BCHW, mask_BN)


def compile_layers(layers: Iterable[nn.Module]) -> None:
    """Compiles transformer layers in place: one of them, for all others and inputs of any size."""
    # It would split graphs where gradients are exchanged.
    torch._dynamo.config.optimize_ddp = False
    for layer in layers:
        layer.compile(dynamic=True)
