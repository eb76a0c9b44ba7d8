"""The model under evaluation, with the identity of its features."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from model.features.extract import FeatureModel
from pipelines.detection.devices import choose_device
from pipelines.evaluate.models.fitted import Fitted, input_of
from pipelines.evaluate.models.onnx_model import open_onnx
from pipelines.evaluate.models.spec import Spec, read_spec
from pipelines.evaluate.models.timm_model import open_timm
from pipelines.inference.checkpoint import open_checkpoint


@dataclass(frozen=True)
class InferenceModel:
    """A model for inference, its location, and the sha256 of its weights.

    info: the provenance stored in files of its features. keypoints: whether the model uses
    keypoints.
    """

    model: FeatureModel
    path: str
    sha256: str
    info: Mapping[str, Any]
    keypoints: bool = True


def open_embedder(name: str | Path | None, device: str = "auto") -> InferenceModel:
    """Open the model that a user names: a SapiensID checkpoint, or what `read_spec` reads.

    device: for ONNX files, the setting `resources.device`. Raises WebbodyError if the model is
    missing or not readable.
    """
    spec = read_spec(str(name)) if name else None
    if spec is not None:
        return _open(str(name), spec, choose_device(device))
    found = open_checkpoint(Path(name) if name else None)
    return InferenceModel(found.model, found.path, found.sha256, found.info())


def _open(name: str, spec: Spec, device: str) -> InferenceModel:
    if spec.onnx:
        network = open_onnx(spec.onnx, spec.size, device)
        # ONNX sessions ignore autocast.
        precision = {"precision": "float32"}
    else:
        network = open_timm(str(spec.timm), spec.weights, spec.size)
        precision = {}
    takes = input_of(network, spec, name)
    info = {
        **precision,
        "checkpoint": name,
        "sha256": network.sha256,
        "arguments": {**network.about, **asdict(takes)},
    }
    model = Fitted(network, takes, name)
    return InferenceModel(model, name, network.sha256, info, keypoints=False)
