"""SapiensID checkpoints given by path, with the identity of their weights."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from model.sapiensid.pretrained import WEIGHTS
from model.sapiensid.sapiensid import SapiensID
from webbody import models, skeleton
from webbody.errors import WebbodyError

_WHAT = "a folder of SapiensID.save_pretrained, or a file with the authors' weights"


@dataclass(frozen=True)
class Checkpoint:
    """A model for inference, the sha256 of its weights, and where they lie."""

    model: SapiensID
    sha256: str
    path: str

    def info(self) -> dict[str, Any]:
        """The provenance for files of its features, with the model's arguments."""
        return {
            "checkpoint": self.path,
            "sha256": self.sha256,
            "arguments": {
                **self.model.config,
                "regions": [asdict(region) for region in self.model.regions],
            },
        }


def open_checkpoint(path: Path | None) -> Checkpoint:
    """Open the model of a folder or file; WebbodyError if it is missing or not a SapiensID."""
    if path is None:
        raise WebbodyError(f"None is shipped: give --checkpoint, {_WHAT}.")
    if not path.exists():
        raise WebbodyError(f"{path}: there is no such checkpoint; give {_WHAT}.")
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
    return Checkpoint(model, models.digest(path / WEIGHTS if path.is_dir() else path), str(path))
