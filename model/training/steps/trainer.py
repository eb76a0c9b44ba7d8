"""One training step of SapiensID, on any number of ranks.

A step is a function of the weights, the step's number and its samples: no random state is carried
along, and sums over ranks make the step of several processes that of one with all their samples.

Shape suffixes: B samples of this rank, C channels, H W image sides, K keypoints, F features.
"""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from model.losses import PartialFC
from model.random_numbers import mix
from model.sapiensid.sapiensid import SapiensID
from model.training.steps.augment import Augment
from model.training.steps.batch_norm import share_statistics
from model.training.steps.optimizer import adamw
from model.training.steps.plan import TrainingStep


@dataclass(frozen=True)
class StepSamples:
    """This rank's samples of a step: every `ranks`-th of the step's, beginning with its own rank.

    images_BCHW: uint8 RGB; keypoints_BK3: fractions of the image and visibility; labels_B: class
    numbers; datasets_B: numbers of the data sets.
    """

    images_BCHW: Tensor
    keypoints_BK3: Tensor
    labels_B: Tensor
    datasets_B: Tensor


@dataclass(frozen=True)
class Outcome:
    """What a step gave, as scalar tensors on the device, so that nothing waits for it.

    loss: of all ranks' samples. grad_norm: the model's gradient norm before clipping.
    feature_norm: mean norm of this rank's features.
    """

    loss: Tensor
    grad_norm: Tensor
    feature_norm: Tensor


class Trainer:
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
        self.device = torch.device(device)
        share_statistics(model, classifier.group)
        self.model = model.to(self.device).train()
        self.classifier = classifier.to(self.device).train()
        self.optimizer = adamw(self.model, self.classifier, weight_decay)
        self.augment, self.max_grad_norm, self.seed = augment, max_grad_norm, seed
        self.mixed_precision = mixed_precision
        if compiled:
            compile_blocks(self.model)
        self._parallel: nn.Module = self.model
        if dist.is_available() and dist.is_initialized():
            self._parallel = DistributedDataParallel(self.model, process_group=classifier.group)

    def step(self, step: TrainingStep, samples: StepSamples) -> Outcome:
        """Learns from this rank's samples of a step, together with the other ranks."""
        for group in self.optimizer.param_groups:
            group["lr"] = step.rate
        rank, ranks = self.classifier.rank, self.classifier.ranks
        # Counted from white first, as augmentation has it; in place, for these tensors are large.
        images_BCHW = self._moved(samples.images_BCHW).float().sub_(255).div_(127.5)
        keypoints_BK3 = self._moved(samples.keypoints_BK3)
        places_B = torch.arange(len(images_BCHW), device=self.device) * ranks + rank + step.start
        seeds_B = places_B + self._seed_for(0, 0)
        if self.augment is not None:
            images_BCHW, keypoints_BK3 = self.augment(images_BCHW, keypoints_BK3, seeds_B)
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

    def _moved(self, x: Tensor) -> Tensor:
        return x.to(self.device, non_blocking=True)

    def _precision(self) -> AbstractContextManager[None]:
        if not self.mixed_precision:
            return nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)

    def _seed_for(self, step: int, use: int) -> int:
        """A seed from the run's seed, a step's number and the seed's use (0 or 1)."""
        numbers = mix(mix(mix(torch.tensor(self.seed)) + step) + use)
        return int(numbers) & ((1 << 62) - 1)


def compile_blocks(model: SapiensID) -> None:
    """Compiles the model's blocks in place: one of them, for all others and for inputs of any size.

    Blocks and not the whole, so that ranks exchange the gradients of one block while those of the
    next are computed, and collectives stay out of what is compiled.
    """
    # It would split graphs where gradients are exchanged, and fails at the attention's kernel.
    torch._dynamo.config.optimize_ddp = False
    for block in model.blocks:
        block.compile(dynamic=True)
