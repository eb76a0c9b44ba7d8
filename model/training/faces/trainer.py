"""The trainer of the face embedder.

Shape suffixes: B samples of this rank, C channels, H W image sides, L the five landmarks.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from model.face_embedder import FaceEmbedder
from model.faces.features import FaceFeatures
from model.features.extract import TrainedModel
from model.losses import PartialFC
from model.training.faces.augment import FaceAugment
from model.training.steps.classifier_trainer import ClassifierTrainer
from model.training.steps.plan import TrainingStep


class FaceTrainer(ClassifierTrainer):
    """Learns from samples' faces, which the augmentation aligns.

    image_size: side in pixels of the samples' squares that faces are cut out of.
    """

    model: FaceEmbedder

    def __init__(
        self,
        model: FaceEmbedder,
        classifier: PartialFC,
        *,
        augment: FaceAugment,
        image_size: int,
        **how: Any,
    ) -> None:
        super().__init__(model, classifier, augment=augment, **how)
        self._image_size = image_size

    @property
    def image_size(self) -> int:
        return self._image_size

    @property
    def feature_model(self) -> TrainedModel:
        return FaceFeatures(self.model, self._image_size)

    def _blocks(self) -> Sequence[nn.Module]:
        return list(self.model.net.blocks)

    def _features(
        self,
        images_BCHW: Tensor,
        keypoints_BK3: Tensor,
        step: TrainingStep,
        datasets_B: Tensor,
        seeds_B: Tensor,
    ) -> Tensor:
        features_BF: Tensor = self._parallel(images_BCHW, keypoints_BK3, seeds_B)
        return features_BF

    def save_model(self, folder: Path) -> None:
        """As a build takes it for `faces.embedder`."""
        self.model.save_pretrained(folder)
