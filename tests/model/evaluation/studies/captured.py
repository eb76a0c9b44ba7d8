"""Small models for the tests of studies: a real one, and one that keeps what it is given."""

import torch
from torch import Tensor, nn

from model import SapiensID
from tests.model.sapiensid.people import images, standing, tiny

SIDE = 96


def small(**arguments: object) -> SapiensID:
    """A model in evaluation whose part weights and batch norms are no plain ones."""
    sizes = {"depth": 2, "width": 32, "heads": 2, "feature_dim": 16, "image_size": SIDE, "grid": 6}
    model = tiny(**{**sizes, **arguments})
    with torch.no_grad():
        if hasattr(model.head, "part_weights"):
            model.head.part_weights.normal_()
        for norm in model.head.project[1::2]:
            norm.running_mean.normal_()
            norm.running_var.uniform_(0.5, 2)
            norm.bias.normal_()
    return model


def people(count: int) -> tuple[Tensor, Tensor]:
    """Images of the size of the small model, and keypoints, some of them missing or outside."""
    pixels = nn.functional.interpolate(images(count), (SIDE, SIDE), mode="bilinear")
    return pixels, standing(count)


class Kept(nn.Module):
    """Keeps the images and keypoints of each call; a feature is the mean colour."""

    image_size, feature_dim = SIDE, 3

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Tensor, Tensor]] = []

    def forward(self, images: Tensor, keypoints: Tensor) -> Tensor:
        self.calls.append((images, keypoints))
        return images.mean((2, 3))
