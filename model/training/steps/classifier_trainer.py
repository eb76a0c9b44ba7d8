"""One training step of a model whose features a classifier tells people by, on any number of ranks.

A step is a function of the weights, the step's number and its samples: no random state is carried
along, and sums over ranks make the step of several processes that of one with all their samples.

Shape suffixes: B samples of this rank, C channels, H W image sides, K keypoints, F features.
"""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from model.features.extract import TrainedModel
from model.losses import PartialFC, load_shard, save_shard
from model.training.steps.base import BaseTrainer, Outcome
from model.training.steps.batch_norm import share_statistics
from model.training.steps.optimizer import adamw
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


class SampleChange(Protocol):
    """Augmentation of a step's samples: what a model is given instead of images and keypoints."""

    def __call__(
        self,
        images_BCHW: Tensor,
        keypoints_BK3: Tensor,
        seeds_B: Tensor,
        foreground_BHW: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]: ...


class ClassifierTrainer(BaseTrainer):
    """Model, classifier and optimizer of one rank; `step` moves them.

    The classifier's ranks are those of torch.distributed, where it is initialised. `max_grad_norm`
    clips the gradient of the model (not of the classifier). `mixed_precision` computes in
    bfloat16 where that is safe. `compiled` compiles a block, once for all blocks and all steps.
    """

    def __init__(
        self,
        model: nn.Module,
        classifier: PartialFC,
        *,
        augment: SampleChange | None = None,
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
        self.model = model.to(self.device).train()
        self.classifier = classifier.to(self.device).train()
        self.optimizer = adamw(self.model, self.classifier, weight_decay)
        self.augment, self.max_grad_norm = augment, max_grad_norm
        if compiled:
            compile_blocks(self._blocks())
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
            features_BF = self._features(images_BCHW, keypoints_BK3, step, datasets_B, seeds_B)
            loss = self.classifier(features_BF, labels_B, self._seed_for(step.number, 1))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        gradient = nn.utils.clip_grad_norm_(self.model.parameters(), self.max_grad_norm)
        self.optimizer.step()
        with torch.no_grad():
            return Outcome(loss.detach(), gradient, features_BF.float().norm(dim=1).mean())

    @property
    @abstractmethod
    def image_size(self) -> int:
        """Side in pixels of the samples' squares."""

    @property
    @abstractmethod
    def feature_model(self) -> TrainedModel:
        """What gives features of samples: what validation looks at."""

    @abstractmethod
    def _blocks(self) -> Sequence[nn.Module]:
        """The model's blocks, all alike."""

    @abstractmethod
    def _features(
        self,
        images_BCHW: Tensor,
        keypoints_BK3: Tensor,
        step: TrainingStep,
        datasets_B: Tensor,
        seeds_B: Tensor,
    ) -> Tensor:
        """The features (B, F) of a step's samples, as they are after augmentation."""

    def save_rest(self, folder: Path) -> None:
        """This rank's shard of the classifier, with its moments."""
        weight = self.classifier.weight
        save_shard(folder, self.classifier, self.optimizer.state.get(weight))

    def load_rest(self, folder: Path) -> None:
        """The classifier and its moments, from the shards of any number of ranks."""
        if moments := load_shard(folder, self.classifier):
            placed = {key: value.to(self.device) for key, value in moments.items()}
            self.optimizer.state[self.classifier.weight] = placed


def compile_blocks(blocks: Sequence[nn.Module]) -> None:
    """Compiles a model's blocks in place: one of them, for all others and for inputs of any size.

    Blocks and not the whole, so that ranks exchange the gradients of one block while those of the
    next are computed, and collectives stay out of what is compiled.
    """
    # It would split graphs where gradients are exchanged, and fails at the attention's kernel.
    torch._dynamo.config.optimize_ddp = False
    for block in blocks:
        block.compile(dynamic=True)
