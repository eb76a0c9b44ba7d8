"""Adapter of other libraries' networks to the interface of SapiensID.

Shape suffixes: B batch, C channels, H, W image sides, K keypoints, F feature size.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pipelines.evaluate.models.network import Network, Triple, feature_dim
from pipelines.evaluate.models.rectangles import resize, unpadded
from pipelines.evaluate.models.spec import Spec
from webbody.errors import WebbodyError


@dataclass(frozen=True)
class Input:
    """How a model takes pictures; see `Spec`. mean, std: of pixels in 0 to 1, as `channels` are."""

    size: tuple[int, int]
    mean: Triple
    std: Triple
    channels: str
    fit: str
    interpolation: str


def input_of(network: Network, spec: Spec, called: str) -> Input:
    """A network's input format, with the user's overrides; WebbodyError for an impossible one."""
    height, width = network.size
    fit = spec.fit or ("pad" if height == width else "stretch")
    if fit == "pad" and height != width:
        raise WebbodyError(
            f"{called}: padding makes squares, and the model takes {height} x {width} (height x "
            "width); give `fit: stretch`."
        )
    return Input(
        network.size,
        spec.mean or network.mean,
        spec.std or network.std,
        spec.channels,
        fit,
        spec.interpolation or network.interpolation,
    )


class Fitted(nn.Module):
    """A network with the interface of SapiensID that ignores keypoints.

    `image_size` is the longer side of its input, so that hardly a pixel is lost where the
    rectangle of a picture is stretched.
    """

    mean_C11: Tensor
    std_C11: Tensor

    def __init__(self, network: Network, takes: Input, called: str) -> None:
        super().__init__()
        self.network, self.takes = network.module, takes
        self.image_size, self.feature_dim = max(takes.size), feature_dim(network, called)
        for name, values in (("mean_C11", takes.mean), ("std_C11", takes.std)):
            self.register_buffer(name, torch.tensor(values)[:, None, None], persistent=False)

    def forward(self, images_BCHW: Tensor, keypoints_BK3: Tensor) -> Tensor:
        """The features (B, F) of squares of `image_size` pixels in [-1, 1]."""
        features_BF: Tensor = self.network(self.prepared(images_BCHW))
        return features_BF

    def prepared(self, images_BCHW: Tensor) -> Tensor:
        """The images (B, 3, H, W) as the network expects them."""
        if self.takes.fit == "stretch":
            rows_B2, columns_B2 = unpadded(images_BCHW)
            how = self.takes.interpolation
            images_BCHW = resize(images_BCHW, rows_B2, columns_B2, self.takes.size, how)
            # A cubic filter overshoots at edges.
            images_BCHW = images_BCHW.clamp(-1, 1)
        if self.takes.channels == "bgr":
            images_BCHW = images_BCHW.flip(1)
        return ((images_BCHW + 1) / 2 - self.mean_C11) / self.std_C11
