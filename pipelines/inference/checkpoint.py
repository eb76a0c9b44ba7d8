"""Trained models given by path, with the identity of their weights."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from model.face_embedder import CONFIG, FAMILY, WEIGHTS, FaceEmbedder
from model.faces.features import FaceFeatures
from model.sapiensid.sapiensid import SapiensID
from webbody import models, skeleton
from webbody.errors import WebbodyError
from webbody.json_text import parse_json

_WHAT = (
    "a folder of SapiensID.save_pretrained, a file with the authors' weights, or the folder of a "
    "face embedder that `webbody train` made"
)
_MOST_CONFIG = 1 << 20


@dataclass(frozen=True)
class Checkpoint:
    """A model for inference, the sha256 of its weights, and where they lie.

    Of a face embedder the model is what looks at the faces of samples.
    """

    model: SapiensID | FaceFeatures
    sha256: str
    path: str

    def info(self) -> dict[str, Any]:
        """The provenance for files of its features, with the model's arguments."""
        if isinstance(self.model, FaceFeatures):
            arguments = {"family": FAMILY, **self.model.embedder.config}
        else:
            regions = [asdict(region) for region in self.model.regions]
            arguments = {**self.model.config, "regions": regions}
        return {"checkpoint": self.path, "sha256": self.sha256, "arguments": arguments}


def open_checkpoint(path: Path | None) -> Checkpoint:
    """Open the model of a folder or file, or a face embedder that was trained here (a folder).

    Raises WebbodyError if it is missing or something else.
    """
    given = _existing(path)
    if given.is_dir() and _is_of_faces(given):
        with models.loading(str(given), "a KP-RPE face embedder"):
            embedder = FaceEmbedder.from_pretrained(given)
        return _checkpoint(FaceFeatures(embedder), given)
    return _checkpoint(open_sapiensid(given), given)


def open_sapiensid(path: Path | None) -> SapiensID:
    """Open a SapiensID of a folder or file; WebbodyError if it is missing or something else."""
    path = _existing(path)
    try:
        model = SapiensID.from_pretrained(path)
    except (FileNotFoundError, ValueError) as error:
        # Errors of a state dict list every key; a few of them tell what is wrong.
        reason = "; ".join(line.strip() for line in str(error).splitlines()[:4])
        raise WebbodyError(
            f"{path}: is no checkpoint of SapiensID ({reason}); give {_WHAT}."
        ) from error
    if model.keypoints != skeleton.COUNT:
        raise WebbodyError(
            f"{path}: this model takes {model.keypoints} keypoints, samples have {skeleton.COUNT}."
        )
    return model


def _existing(path: Path | None) -> Path:
    if path is None:
        raise WebbodyError(f"None is shipped: give --checkpoint, {_WHAT}.")
    if not path.exists():
        raise WebbodyError(f"{path}: there is no such checkpoint; give {_WHAT}.")
    return path


def _is_of_faces(folder: Path) -> bool:
    config = folder / CONFIG
    if not config.is_file() or config.stat().st_size > _MOST_CONFIG:
        return False
    try:
        about = parse_json(config.read_bytes())
    except ValueError:
        return False
    return isinstance(about, dict) and about.get("family") == FAMILY


def _checkpoint(model: SapiensID | FaceFeatures, path: Path) -> Checkpoint:
    for name, value in model.state_dict().items():
        if value.is_floating_point() and not value.isfinite().all():
            raise WebbodyError(
                f"{path}: its weights hold values that are no numbers ({name}); fetch or train it "
                "anew."
            )
    return Checkpoint(model, models.digest(path / WEIGHTS if path.is_dir() else path), str(path))
