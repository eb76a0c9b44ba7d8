"""The foreground of samples: which pixels show a person, by a Sapiens segmentation model."""

from collections.abc import Sequence

import numpy as np

from pipelines.detection.devices import choose_device
from webbody import models
from webbody.config import PackSettings, WorkerResources
from webbody.geometry import fitted
from webbody.images import RGB, encode_mask
from webbody.model_table import SEGMENTATION


class SapiensForeground:
    """A Sapiens segmentation model on whole batches of samples' squares.

    A person is whatever is not of class 0, the background of both vocabularies.
    """

    def __init__(self, model: str, device: str, batch: int, threads: int) -> None:
        import torch

        from model.sapiens.prediction import Predictor
        from model.sapiens.saved import load

        path = models.resolve(model, SEGMENTATION)
        with models.loading(path, "a segmentation model of Sapiens"):
            network = load(path, "segmentation")
        if device != "cuda":
            torch.set_num_threads(threads)
        self._predictor = Predictor(network, choose_device(device), batch=batch)

    def __call__(self, squares: Sequence[RGB], sizes: Sequence[tuple[int, int]]) -> list[bytes]:
        """PNG of each square: grey, of its size, 255 where a person is and 0 elsewhere.

        squares: pictures on white, as `webbody.images.letterbox` gives them; sizes: width and
        height of each picture before, by which the white around it is background.
        """
        parts = self._predictor.parts(squares)
        return [
            encode_mask((part > 0) & _inside(len(part), *size))
            for part, size in zip(parts, sizes, strict=True)
        ]


def foreground(settings: PackSettings, resources: WorkerResources) -> SapiensForeground | None:
    """The model that the settings name; None where samples have no foreground."""
    if not settings.foreground:
        return None
    return SapiensForeground(
        settings.foreground, resources.device, resources.batch, resources.threads
    )


def _inside(side: int, width: int, height: int) -> np.ndarray:
    """Where a square shows its picture and not the white around it (side, side)."""
    _, across, down, left, top = fitted(width, height, side)
    inside = np.zeros((side, side), bool)
    inside[top : top + down, left : left + across] = True
    return inside
