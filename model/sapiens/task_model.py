"""Encoder and head of one task: keypoints, parts of the body, depth, or normals.

Shape suffixes: B batch, C channels, H W image sides, K channels of the result, Y X its sides.
"""

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from model.sapiens.encoder import SapiensEncoder
from model.sapiens.heads import ConvolutionHead
from model.sapiens.sizes import EncoderSize
from webbody.errors import WebbodyError


@dataclass(frozen=True)
class SapiensTask:
    """What a task's models have in common.

    outputs: the numbers of channels that are known. channels, upsamplings, layers, dropout: of
    the head. patch_padding: see SapiensEncoder; `paddings` has those that differ, by channels.
    """

    name: str
    outputs: tuple[int, ...]
    channels: int
    upsamplings: int
    layers: int
    dropout: float
    patch_padding: int
    paddings: tuple[tuple[int, int], ...] = ()

    def padding_for(self, outputs: int) -> int:
        """The patch padding of a model with so many channels."""
        return dict(self.paddings).get(outputs, self.patch_padding)


TASKS = {
    task.name: task
    for task in (
        SapiensTask("pose", (17, 133, 308), 768, 2, 2, 0.0, 2),
        SapiensTask("segmentation", (28, 20), 768, 3, 3, 0.1, 0, ((20, 2),)),
        SapiensTask("depth", (1,), 384, 4, 2, 0.1, 0),
        SapiensTask("normal", (3,), 768, 3, 3, 0.1, 2),
    )
}


def sapiens_task(name: str) -> SapiensTask:
    """The task of a name; WebbodyError where there is none."""
    if name not in TASKS:
        raise WebbodyError(f"there is no Sapiens task {name!r}, only {', '.join(TASKS)}")
    return TASKS[name]


class SapiensModel(nn.Module):
    """Images to maps: heatmaps, logits of classes, depth, or normals, none of them bounded.

    Args:
        task: A name of TASKS.
        size: Of the encoder.
        image_size: Height and width in pixels that it is trained with.
        outputs: Channels: keypoints, classes, 1 for depth, 3 for normals.
        channels: Inside the head; None: the task's.
        patch_padding: See SapiensEncoder; None: the task's.
        recompute: See SapiensEncoder.
    """

    def __init__(
        self,
        task: str,
        size: EncoderSize,
        image_size: tuple[int, int],
        outputs: int,
        *,
        channels: int | None = None,
        patch_padding: int | None = None,
        recompute: bool = False,
    ) -> None:
        super().__init__()
        kind = sapiens_task(task)
        if outputs not in kind.outputs:
            known = ", ".join(map(str, kind.outputs))
            raise ValueError(f"a model for {task} has {known} outputs, not {outputs}")
        self.task, self.outputs = kind, outputs
        self.channels = kind.channels if channels is None else channels
        padding = kind.padding_for(outputs) if patch_padding is None else patch_padding
        self.encoder = SapiensEncoder(size, image_size, patch_padding=padding, recompute=recompute)
        self.head = ConvolutionHead(
            size.width, self.channels, kind.upsamplings, kind.layers, outputs, kind.dropout
        )

    @property
    def config(self) -> dict[str, Any]:
        """What the model is, as its file tells it."""
        return {
            "task": self.task.name,
            "size": vars(self.encoder.size),
            "image_size": list(self.encoder.image_size),
            "outputs": self.outputs,
            "channels": self.channels,
            "patch_padding": self.encoder.patch_padding,
        }

    @property
    def map_size(self) -> tuple[int, int]:
        """Height and width of the result for images of `image_size`."""
        scale = 2**self.task.upsamplings
        return self.encoder.grid[0] * scale, self.encoder.grid[1] * scale

    def forward(self, images_BCHW: Tensor) -> Tensor:
        """Maps (B, K, Y, X) of images as `model.sapiens.encoder.normalised` gives them."""
        out: Tensor = self.head(self.encoder(images_BCHW))
        return out
