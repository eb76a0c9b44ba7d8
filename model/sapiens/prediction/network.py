"""A model's maps of inputs of one size, in any precision, averaged with those of mirrored inputs.

Shape suffixes: B batch, H W sides of an input, K channels of the result, Y X its sides.
"""

import copy
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.sapiens.encoder import normalised
from model.sapiens.task_model import SapiensModel
from model.sapiens.vocabulary import keypoint_vocabulary, part_vocabulary
from webbody.errors import WebbodyError


class MapNetwork:
    """Inputs (H, W, 3) uint8 RGB, all of one size, to maps (B, K, Y, X) float32 on the device.

    model: stays as it is; where it lies on another device or is of another precision, a copy
    computes. flip: average with the maps of the mirrored inputs, mirrored back.
    """

    def __init__(
        self, model: SapiensModel, device: str | torch.device, dtype: torch.dtype, flip: bool
    ) -> None:
        self.device, self.dtype, self.flip = torch.device(device), dtype, flip
        here = next(model.parameters())
        if here.dtype != dtype or here.to(self.device).device != here.device:
            model = copy.deepcopy(model).to(self.device, dtype)
        self.model = model

    @torch.no_grad()
    def __call__(self, inputs: Sequence[NDArray[np.uint8]]) -> Tensor:
        """Maps of a batch; WebbodyError where they are not finite."""
        pixels = torch.from_numpy(np.stack(inputs)).to(self.device)
        images_B3HW = normalised(pixels.permute(0, 3, 1, 2)).to(self.dtype)
        was_training = self.model.training
        self.model.eval()
        try:
            maps_BKYX: Tensor = self.model(images_B3HW).float()
            if self.flip:
                mirrored = self.model(images_B3HW.flip(-1)).float()
                maps_BKYX = (maps_BKYX + unmirrored(mirrored, self.model)) / 2
        finally:
            self.model.train(was_training)
        if not maps_BKYX.isfinite().all():
            name = str(self.dtype).removeprefix("torch.")
            raise WebbodyError(
                f"The model's results in {name} are not finite: its weights are broken"
                + ("." if self.dtype == torch.float32 else ", or it needs bfloat16 or float32.")
            )
        return maps_BKYX


def unmirrored(maps_BKYX: Tensor, model: SapiensModel) -> Tensor:
    """Maps of mirrored inputs as those of the inputs: left and right swapped, X of normals negated.

    No map is shifted: pixels are counted from centre to centre.
    """
    maps_BKYX = maps_BKYX.flip(-1)
    if model.task.name == "pose":
        return maps_BKYX[:, keypoint_vocabulary(model.outputs).flip.tolist()]
    if model.task.name == "segmentation":
        return maps_BKYX[:, part_vocabulary(model.outputs).flip[: model.outputs].tolist()]
    if model.task.name == "normal":
        return maps_BKYX * maps_BKYX.new_tensor([-1, 1, 1])[:, None, None]
    return maps_BKYX
