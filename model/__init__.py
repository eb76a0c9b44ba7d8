"""Plain torch models of human recognition: the face embedder, and SapiensID."""

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from model.face_embedder import FaceEmbedder
    from model.sapiensid.sapiensid import SapiensID

__all__ = ["FaceEmbedder", "SapiensID"]

_MODULES = {"FaceEmbedder": "model.face_embedder", "SapiensID": "model.sapiensid.sapiensid"}

logging.getLogger(__name__).addHandler(logging.NullHandler())


def __getattr__(name: str) -> Any:
    # Looked up on first use, so that `import model` does not pay for torch.
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
