"""PartialFC: a classifier sharded by rank that compares with a sample of its classes in each step.

Every rank owns a run of consecutive classes, and sees the features of all ranks. In training it
compares them with the targets among its classes and with others at random (An et al., CVPR 2022).

Which classes a step uses follows from its seed and their numbers, on any number of ranks.

Shape suffixes: B samples of this rank, G samples of all ranks, D width, C classes of this rank, S
rows that a step has room for.
"""

import math

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from model.losses.adaface import AdaFace
from model.losses.collectives import gather_batch, rank_and_ranks
from model.losses.cross_entropy import sharded_cross_entropy
from model.random_numbers import mix, uniform

INIT_STD = 0.01
MIN_NORM = 1e-8


def class_range(classes: int, rank: int, ranks: int) -> range:
    """The classes that a rank owns; the first `classes % ranks` ranks own one more."""
    share, rest = divmod(classes, ranks)
    start = share * rank + min(rank, rest)
    return range(start, start + share + (rank < rest))


class PartialFC(nn.Module):
    """This rank's rows of the classifier, and the loss over the classes and samples of all ranks.

    `sample_rate` in (0, 1] is the share of classes in use in a training step, targets apart. Rows
    start as N(0, 0.01^2), from the seed and the class alone. `group` None means all processes, or
    this one where torch.distributed is not initialised.

    Not for DistributedDataParallel: the gradient of `weight` is complete on its rank. It is dense,
    so an optimizer with momentum or weight decay also moves rows that were not in use.

    Raises ValueError for a rate out of range and for fewer classes than ranks.
    """

    def __init__(
        self,
        width: int,
        classes: int,
        margin: AdaFace,
        sample_rate: float = 1.0,
        *,
        seed: int = 0,
        group: dist.ProcessGroup | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        self.rank, self.ranks = rank_and_ranks(group)
        if not 0.0 < sample_rate <= 1.0:
            raise ValueError(f"the sampling rate must be in (0, 1], not {sample_rate}")
        if classes < self.ranks:
            raise ValueError(f"{classes} classes cannot be spread over {self.ranks} ranks")
        self.width, self.classes, self.sample_rate = width, classes, sample_rate
        self.owned = class_range(classes, self.rank, self.ranks)
        self.group = group
        self.margin = margin
        self.weight = nn.Parameter(torch.empty(len(self.owned), width, device=device))
        self.reset_parameters(seed)

    @torch.no_grad()
    def reset_parameters(self, seed: int) -> None:
        """Fresh rows; those of a class do not depend on how the classes are spread."""
        rows_CD = np.empty(self.weight.shape, np.float32)
        for row_D, class_id in zip(rows_CD, self.owned, strict=True):
            np.random.default_rng((seed, class_id)).standard_normal(out=row_D, dtype=np.float32)
        self.weight.copy_(torch.from_numpy(rows_CD)).mul_(INIT_STD)

    def forward(self, features_BD: Tensor, labels_B: Tensor, seed: int | None = None) -> Tensor:
        """The mean loss of all ranks' samples, a float32 scalar that is the same on every rank.

        Takes features before normalisation and int64 labels in [0, classes). Every rank brings the
        same number of samples, which may change from step to step. `seed`, a number of the step
        that all ranks agree on, draws its classes. Training also moves the margin's statistics;
        evaluation does not, and uses every class.

        Raises ValueError for misshapen input, for training with a rate below 1 and no seed, and for
        a label out of range on the CPU; on a GPU such a label is an assertion of the device, since
        looking at it would stall every step.
        """
        self._check_shapes(features_BD, labels_B)
        sampled = self.training and self.sample_rate < 1.0
        if sampled and seed is None:
            raise ValueError(f"a sampling rate of {self.sample_rate} needs the step's seed")
        # Logits reach 64, where half precision is off by 0.03 and bfloat16 by 0.25.
        with torch.autocast(features_BD.device.type, enabled=False):
            features_GD = gather_batch(features_BD.float(), self.group)
            target_G = self.find(gather_batch(labels_B, self.group))
            weight_SD: Tensor = self.weight
            if seed is not None and sampled:
                rows_S, excluded_S = self.sample(target_G, seed)
                weight_SD = weight_SD.index_select(0, rows_S)
                target_G = torch.where(target_G < 0, -1, torch.searchsorted(rows_S, target_G))
            norms_G = features_GD.detach().norm(dim=1)
            if self.training:
                self.margin.update(norms_G)
            cosines_GS = F.linear(_normalised(features_GD), _normalised(weight_SD))
            logits_GS = self.margin(cosines_GS, norms_G, target_G)
            if sampled:
                logits_GS = logits_GS.add_(excluded_S)
            return sharded_cross_entropy(logits_GS, target_G, self.group)

    def find(self, labels_G: Tensor) -> Tensor:
        """The rows of this rank's shard that hold the labels' classes: int64, -1 for others'.

        Raises ValueError for a label out of range, as told at forward.
        """
        valid = ((labels_G >= 0) & (labels_G < self.classes)).all()
        problem = f"labels must be class numbers from 0 to {self.classes - 1}"
        if labels_G.device.type != "cpu":
            torch._assert_async(valid, problem)
        elif not valid:
            raise ValueError(f"{problem}; there are {labels_G.min()} to {labels_G.max()}")
        owned_G = (labels_G >= self.owned.start) & (labels_G < self.owned.stop)
        return torch.where(owned_G, labels_G - self.owned.start, -1)

    @torch.no_grad()
    def sample(self, target_G: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        """Rows of a step, (S,) ascending, and what to add to their logits, (S,): 0, or -inf.

        In use are the targets, and every class whose noise is below the rate; the other rows fill
        up, as S must not depend on the draw, nor wait for it on the host.
        """
        first, rows = self.owned.start, len(self.owned)
        device = self.weight.device
        classes_C = torch.arange(first, first + rows, device=device)
        step_1 = mix(torch.full((1,), seed, dtype=torch.int64, device=device))
        # The entry more takes the -1 of the targets that other ranks own.
        noise_C = F.pad(uniform(step_1 + classes_C, 1)[:, 0], (0, 1))
        noise_C.index_fill_(0, torch.where(target_G < 0, rows, target_G), -1.0)
        size = self.capacity(len(target_G))
        noise_S, rows_S = noise_C[:rows].topk(size, largest=False, sorted=False)
        rows_S, order_S = rows_S.sort()
        return rows_S, torch.where(noise_S[order_S] < self.sample_rate, 0.0, -math.inf)

    def capacity(self, samples: int) -> int:
        """Rows that a step of so many samples of all ranks has room for, on this rank.

        As many as the rate gives on average, 6 standard deviations of that and 6 more (few classes
        scatter further), and those that targets add. A draw exceeds it less than once in 10^8.
        """
        rows, rate = len(self.owned), self.sample_rate
        targets = min(rows, samples)
        drawn = rate * rows + 6 * math.sqrt(rows * rate * (1 - rate)) + 6
        return min(rows, math.ceil(drawn + (1 - rate) * targets))

    def _check_shapes(self, features_BD: Tensor, labels_B: Tensor) -> None:
        count = labels_B.shape[0] if labels_B.ndim == 1 else 0
        if count == 0 or features_BD.shape != (count, self.width):
            raise ValueError(
                f"expected features (B, {self.width}) and labels (B,) with B of at least 1, not "
                f"{tuple(features_BD.shape)} and {tuple(labels_B.shape)}"
            )
        if labels_B.dtype != torch.int64:
            raise ValueError(f"labels must be int64, not {labels_B.dtype}")

    def extra_repr(self) -> str:
        place = f"rank={self.rank} of {self.ranks}"
        return (
            f"width={self.width}, classes={self.classes}, sample_rate={self.sample_rate}, {place}"
        )


def _normalised(x: Tensor) -> Tensor:
    return F.normalize(x, dim=1, eps=MIN_NORM)
