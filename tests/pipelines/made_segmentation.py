"""Files of small Sapiens models of segmentation, and of depth, that were never trained."""

from pathlib import Path

import torch

from model.sapiens.saved import save
from model.sapiens.sizes import SIZES
from model.sapiens.task_model import SapiensModel


def segmentation(folder: Path, everywhere: int | None = None, task: str = "segmentation") -> str:
    """The file of a model that sees one class of 20 everywhere; None: classes by chance."""
    torch.manual_seed(0)
    outputs = 20 if task == "segmentation" else 1
    model = SapiensModel(task, SIZES["mini"], (64, 48), outputs, channels=8)
    torch.nn.init.normal_(model.head.final.weight, std=0.5)
    if everywhere is not None:
        torch.nn.init.zeros_(model.head.final.weight)
        model.head.final.bias.data = 5.0 * (torch.arange(20) == everywhere)
    save(model, folder)
    return str(folder / "model.safetensors")
