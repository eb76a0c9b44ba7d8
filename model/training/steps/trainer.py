"""One training step of SapiensID, on any number of ranks.

A step is a function of the weights, the step's number and its samples: no random state is carried
along, and sums over ranks make the step of several processes that of one with all their samples.

Shape suffixes: B samples of this rank, C channels, H W image sides, K keypoints, F features.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from model.flops import classifier_flops, peak_flops, training_flops
from model.losses import PartialFC, load_shard, save_shard
from model.sapiensid.sapiensid import SapiensID
from model.training.steps.augment import Augment
from model.training.steps.background import is_changed
from model.training.steps.base import BaseTrainer, Outcome
from model.training.steps.batch_norm import share_statistics
from model.training.steps.optimizer import adamw
from model.training.steps.part_weights import PartWeights, part_weights
from model.training.steps.plan import TrainingStep


@dataclass(frozen=True)
class StepSamples:
    """This rank's samples of a step: every `ranks`-th of the step's, beginning with its own rank.

    images_BCHW: uint8 RGB; keypoints_BK3: fractions of the image and visibility; labels_B: class
    numbers; datasets_B: numbers of the data sets. foreground_BHW: uint8, above 127 where a person
    is, and everywhere where that is not known; None: backgrounds are left as they are.
    """

    images_BCHW: Tensor
    keypoints_BK3: Tensor
    labels_B: Tensor
    datasets_B: Tensor
    foreground_BHW: Tensor | None = None


class Trainer(BaseTrainer):
    """Model, classifier and optimizer of one rank; `step` moves them.

    The classifier's ranks are those of torch.distributed, where it is initialised. `max_grad_norm`
    clips the gradient of the model (not of the classifier). `mixed_precision` computes in
    bfloat16 where that is safe. `compiled` compiles a block, once for all blocks and all steps.
    """

    def __init__(
        self,
        model: SapiensID,
        classifier: PartialFC,
        *,
        augment: Augment | None = None,
        weight_decay: float = 0.05,
        max_grad_norm: float = 5.0,
        seed: int = 0,
        device: str = "cpu",
        mixed_precision: bool = False,
        compiled: bool = False,
    ) -> None:
        super().__init__(
            seed=seed, device=device, mixed_precision=mixed_precision, group=classifier.group
        )
        share_statistics(model, classifier.group)
        self.model: SapiensID = model.to(self.device).train()
        self.classifier = classifier.to(self.device).train()
        self.optimizer = adamw(self.model, self.classifier, weight_decay)
        self.augment, self.max_grad_norm = augment, max_grad_norm
        if compiled:
            compile_blocks(self.model)
        self._parallel: nn.Module = self.model
        if dist.is_available() and dist.is_initialized():
            self._parallel = DistributedDataParallel(self.model, process_group=classifier.group)

    def step(self, step: TrainingStep, samples: StepSamples) -> Outcome:
        """Learns from this rank's samples of a step, together with the other ranks."""
        self._set_rate(step.rate)
        # Counted from white first, as augmentation has it; in place, for these tensors are large.
        images_BCHW = self._moved(samples.images_BCHW).float().sub_(255).div_(127.5)
        keypoints_BK3 = self._moved(samples.keypoints_BK3)
        places_B = (
            torch.arange(len(images_BCHW), device=self.device) * self.ranks + self.rank + step.start
        )
        seeds_B = places_B + self._seed_for(0, 0)
        if self.augment is not None:
            given = samples.foreground_BHW
            foreground_BHW = None if given is None else self._moved(given)
            images_BCHW, keypoints_BK3 = self.augment(
                images_BCHW, keypoints_BK3, seeds_B, foreground_BHW
            )
        images_BCHW = images_BCHW.add_(1)
        datasets_B, labels_B = self._moved(samples.datasets_B), self._moved(samples.labels_B)
        with self._precision():
            features_BF = self._parallel(
                images_BCHW, keypoints_BK3, step.tokens, datasets_B, seeds_B
            )
            loss = self.classifier(features_BF, labels_B, self._seed_for(step.number, 1))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        gradient = nn.utils.clip_grad_norm_(self.model.parameters(), self.max_grad_norm)
        self.optimizer.step()
        with torch.no_grad():
            return Outcome(loss.detach(), gradient, features_BF.float().norm(dim=1).mean())

    def needs_foregrounds(self, positions_B: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Of the samples at positions of the order: which get another background."""
        if self.augment is None:
            return np.zeros(len(positions_B), bool)
        seeds_B = torch.from_numpy(positions_B) + self._seed_for(0, 0)
        needed_B: NDArray[np.bool_] = is_changed(seeds_B, self.augment.background).numpy()
        return needed_B

    def save_model(self, folder: Path) -> None:
        """As SapiensID.from_pretrained reads it."""
        self.model.save_pretrained(folder)

    def save_rest(self, folder: Path) -> None:
        """This rank's shard of the classifier, with its moments."""
        weight = self.classifier.weight
        save_shard(folder, self.classifier, self.optimizer.state.get(weight))

    def load_rest(self, folder: Path) -> None:
        """The classifier and its moments, from the shards of any number of ranks."""
        if moments := load_shard(folder, self.classifier):
            placed = {key: value.to(self.device) for key, value in moments.items()}
            self.optimizer.state[self.classifier.weight] = placed

    def ideal_seconds(self) -> Callable[[int], float] | None:
        """Of model and classifier, at the data sheet's peak."""
        dtype = torch.bfloat16 if self.mixed_precision else torch.float32
        peak = peak_flops(self.device, dtype)
        if peak is None:
            return None
        classifier, all_peak = self.classifier, peak * self.ranks
        rest = classifier_flops(classifier.width, classifier.sample_rate * classifier.classes)

        @cache
        def seconds(tokens: int) -> float:
            return (training_flops(self.model, tokens) + rest) / all_peak

        return seconds

    def part_weights(self) -> PartWeights | None:
        """Those of the semantic head."""
        return part_weights(self.model)


def compile_blocks(model: SapiensID) -> None:
    """Compiles the model's blocks in place: one of them, for all others and for inputs of any size.

    Blocks and not the whole, so that ranks exchange the gradients of one block while those of the
    next are computed, and collectives stay out of what is compiled.
    """
    # It would split graphs where gradients are exchanged, and fails at the attention's kernel.
    torch._dynamo.config.optimize_ddp = False
    for block in model.blocks:
        block.compile(dynamic=True)
