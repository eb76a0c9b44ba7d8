"""A trained model as a self-contained program of torch.export, for batches of one size."""

from pathlib import Path

import torch
from torch import Tensor, nn

from model.sapiensid.sapiensid import SapiensID


class _Fixed(nn.Module):
    """The model with every image padded to all candidate patches: nothing depends on the data."""

    def __init__(self, model: SapiensID) -> None:
        super().__init__()
        self.model = model

    def forward(self, images_BCHW: Tensor, keypoints_BK3: Tensor) -> Tensor:
        feature_BF: Tensor = self.model(images_BCHW, keypoints_BK3, tokens=self.model.slots)
        return feature_BF


def export(model: SapiensID, path: str | Path, batch: int) -> torch.export.ExportedProgram:
    """Writes the model to `path` (.pt2) and returns the program.

    The program takes images (batch, 3, image_size, image_size) and keypoints (batch, K, 3) as
    SapiensID does in evaluation, and gives the same features; it runs wherever torch does, without
    this package: `torch.export.load(path).module()(images, keypoints)`. The model must be in
    evaluation mode. Raises ValueError if it is not, or for a batch below 1.
    """
    if model.training:
        raise ValueError("only a model in evaluation mode can be exported: call model.eval() first")
    if batch < 1:
        raise ValueError(f"the batch size must be at least 1, not {batch}")
    like = next(model.parameters())
    images_BCHW = torch.zeros(batch, 3, model.image_size, model.image_size, device=like.device)
    keypoints_BK3 = torch.zeros(batch, model.keypoints, 3, device=like.device)
    with torch.no_grad():
        program = torch.export.export(_Fixed(model), (images_BCHW.to(like.dtype), keypoints_BK3))
    torch.export.save(program, path)
    return program
