"""Fine-tuning: the loss of each task.

Shape suffixes: B samples of this rank, K keypoints, H W sides of a map.
"""

from typing import Any

import torch
from torch import Tensor

from model.losses.collectives import sum_over_ranks_
from model.sapiens.encoder import normalised
from model.sapiens.losses.depth import depth_loss
from model.sapiens.losses.keypoints import hardest_heatmap_loss, heatmap_loss
from model.sapiens.losses.normals import normal_loss
from model.sapiens.losses.parts import part_loss, resized
from model.sapiens.task_model import SapiensModel
from model.sapiens.training.loader import Batch
from model.sapiens.training.trainer import SapiensTrainer
from model.sapiens.udp import encode
from model.sapiens.vocabulary import part_vocabulary
from model.training.steps.plan import TrainingStep


class TaskTrainer(SapiensTrainer):
    """Learns one task; samples as `model.sapiens.training.task_sources.TaskSamples` gives them.

    sigma: of the heatmaps' Gaussians. hardest: keypoints with the largest errors that count; 0:
    all of them.
    """

    model: SapiensModel

    def __init__(
        self,
        model: SapiensModel,
        groups: list[dict[str, Any]],
        *,
        sigma: float,
        hardest: int,
        **how: Any,
    ) -> None:
        super().__init__(model, groups, **how)
        self._sigma, self._hardest = sigma, hardest
        self._class_weights: Tensor | None = None
        if model.task.name == "segmentation":
            weights = part_vocabulary(model.outputs).weights
            self._class_weights = torch.tensor(weights, device=self.device)

    def loss(self, step: TrainingStep, batch: Batch) -> Tensor:
        """The task's loss, in float32."""
        images_BCHW = normalised(batch["image"])
        with self._precision():
            maps_BKHW = self._parallel(images_BCHW)
        maps_BKHW, task = maps_BKHW.float(), self.model.task.name
        if task == "pose":
            return self._pose_loss(maps_BKHW, batch, images_BCHW.shape)
        if task == "segmentation":
            assert self._class_weights is not None
            return part_loss(maps_BKHW, batch["label"], self._class_weights)
        maps_BKHW = resized(maps_BKHW, images_BCHW.shape[-2:])
        if task == "depth":
            return depth_loss(maps_BKHW[:, 0], batch["target"])
        # The mean is over the mask of all ranks, which have different shares of it.
        own = batch["mask"].sum().float()
        everywhere = sum_over_ranks_(own.clone(), self.group).clamp_min(1)
        loss = normal_loss(maps_BKHW, batch["normals"], batch["mask"])
        return loss * own * self.ranks / everywhere

    def _pose_loss(self, maps_BKHW: Tensor, batch: Batch, shape: torch.Size) -> Tensor:
        target_BKHW, weight_BK = encode(
            batch["keypoints"],
            batch["visible"],
            (shape[3], shape[2]),
            (maps_BKHW.shape[3], maps_BKHW.shape[2]),
            self._sigma,
        )
        if self._hardest:
            return hardest_heatmap_loss(maps_BKHW, target_BKHW, weight_BK, self._hardest)
        return heatmap_loss(maps_BKHW, target_BKHW, weight_BK)
