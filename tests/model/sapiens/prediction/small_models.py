"""Small random models of the four tasks, and photos of several sizes."""

import numpy as np
import torch

from model.sapiens.sizes import EncoderSize
from model.sapiens.task_model import SapiensModel

OUTPUTS = {"pose": 17, "segmentation": 28, "depth": 1, "normal": 3}
SIZE = (64, 48)


def small_model(task: str, outputs: int | None = None, seed: int = 0, size=SIZE) -> SapiensModel:
    """A model whose results differ from place to place."""
    torch.manual_seed(seed)
    model = SapiensModel(
        task, EncoderSize(32, 2, 2), size, outputs or OUTPUTS[task], channels=16
    ).eval()
    torch.nn.init.normal_(model.encoder.pos_embed, std=0.5)
    torch.nn.init.normal_(model.head.final.weight, std=0.5)
    return model


def photos(*sizes: tuple[int, int], seed: int = 0) -> list[np.ndarray]:
    """Smooth coloured photos of sizes (height, width)."""
    random = np.random.default_rng(seed)
    made = []
    for height, width in sizes:
        y, x = np.mgrid[:height, :width]
        waves = random.uniform(0.02, 0.2, (3, 2))
        phases = random.uniform(0, 6, 3)
        image = [np.sin(a * x + b * y + p) for (a, b), p in zip(waves, phases, strict=True)]
        made.append((127.5 + 120 * np.stack(image, -1)).astype(np.uint8))
    return made
