"""Plain torch models of human recognition: the face embedder, and SapiensID of the same blocks."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from model.face_embedder import FaceEmbedder

__all__ = ["FaceEmbedder"]


def __getattr__(name: str) -> Any:
    # Looked up on first use, so that `import model` does not pay for torch.
    if name == "FaceEmbedder":
        from model.face_embedder import FaceEmbedder

        return FaceEmbedder
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
