"""Faces aligned by landmarks that a data set brings: what its loose crops become."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from model.features.resumable import ExtractionUnit
from pipelines.evaluate.images.parts import file_state, of_pictures
from pipelines.evaluate.images.subject_cache import SubjectCache
from webbody.errors import WebbodyError
from webbody.images import RGB, ImageError, decode
from webbody.storage import Folder


def of_aligned(
    root: str, landmarks: Mapping[str, NDArray[np.float32]], finding: SubjectCache
) -> list[ExtractionUnit]:
    """Aligned faces of images below a folder; landmarks: (5, 2) of each image, in its pixels."""
    folder = Folder(root)

    def state(image: str) -> str:
        return f"{file_state(folder, image)} {landmarks[image].tobytes().hex()}"

    def picture(image: str) -> RGB:
        return aligned(decode(folder.read(image), finding.max_pixels), landmarks[image])

    return of_pictures(root, list(landmarks), state, picture, finding)


def aligned(picture: RGB, landmarks: NDArray[np.float32]) -> RGB:
    """The face with landmarks (5, 2) on a square of 112 pixels, as ArcFace takes it.

    Raises ImageError `face:unalignable` for landmarks in one point or not finite: no similarity
    brings them to their places.
    """
    try:
        from pipelines.detection.embedding import align, alignments
    except ImportError as error:
        raise WebbodyError(
            f"Aligning faces needs {error.name}: pip install 'webbody[build]'."
        ) from error
    if np.isfinite(landmarks).all():
        transform = alignments(landmarks[None])[0]
        if transform[:, :2].any():
            return align(picture, transform)
    raise ImageError("face:unalignable", "landmarks that are in one point or not finite")
