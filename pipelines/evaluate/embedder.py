"""The model whose features are evaluated, with what tells its features from others'."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.features.extract import Model
from pipelines.recognise.checkpoint import open_checkpoint


@dataclass(frozen=True)
class Embedder:
    """A model for inference, where it lies, and the sha256 of its weights.

    info: what a file of its features says of how they were made. keypoints: whether the model uses
    any, so that they must be found in pictures.
    """

    model: Model
    path: str
    sha256: str
    info: Mapping[str, Any]
    keypoints: bool = True


def open_embedder(path: Path | None) -> Embedder:
    """The model of a checkpoint of SapiensID; WebbodyError where it is missing or none."""
    found = open_checkpoint(path)
    return Embedder(found.model, found.path, found.sha256, found.info())
