"""Aligning faces by the landmarks that come with a data set."""

import numpy as np
from numpy.typing import NDArray

from webbody.errors import WebbodyError
from webbody.images import RGB, ImageError


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
