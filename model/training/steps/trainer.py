"""The trainer of SapiensID.

Shape suffixes: B samples of this rank, C channels, H W image sides, K keypoints, F features.
"""

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from model.features.extract import TrainedModel
from model.flops import classifier_flops, peak_flops, training_flops
from model.sapiensid.sapiensid import SapiensID
from model.training.steps.augment import Augment
from model.training.steps.background import is_changed
from model.training.steps.classifier_trainer import ClassifierTrainer
from model.training.steps.part_weights import PartWeights, part_weights
from model.training.steps.plan import TrainingStep


class Trainer(ClassifierTrainer):
    """The trainer of SapiensID."""

    model: SapiensID
    augment: Augment | None

    @property
    def image_size(self) -> int:
        return self.model.image_size

    @property
    def feature_model(self) -> TrainedModel:
        return self.model

    def _blocks(self) -> Sequence[nn.Module]:
        return list(self.model.blocks)

    def _features(
        self,
        images_BCHW: Tensor,
        keypoints_BK3: Tensor,
        step: TrainingStep,
        datasets_B: Tensor,
        seeds_B: Tensor,
    ) -> Tensor:
        features_BF: Tensor = self._parallel(
            images_BCHW, keypoints_BK3, step.tokens, datasets_B, seeds_B
        )
        return features_BF

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
