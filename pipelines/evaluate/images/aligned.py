"""Aligning faces by the landmarks that come with a data set."""

import numpy as np
from numpy.typing import NDArray

from webbody.errors import WebbodyError
from webbody.images import RGB, ImageError


def need_alignment() -> None:
    """Import what aligns faces; raises WebbodyError where a library is missing.

    To be called before several threads align: where an import fails in one of them, the others
    may see half a module, whose error names the wrong thing.
    """
    try:
        import pipelines.detection.embedding  # noqa: F401
    except ImportError as error:
        raise WebbodyError(
            f"Aligning faces needs {error.name}: pip install 'webbody[build]'."
        ) from error


def aligned(picture: RGB, landmarks: NDArray[np.float32]) -> RGB:
    """The face with landmarks (5, 2) on a square of 112 pixels, as ArcFace takes it.

    Raises ImageError `face:unalignable` for landmarks in one point or not finite: no similarity
    brings them to their places.
    """
    from pipelines.detection.embedding import align, alignments

    if np.isfinite(landmarks).all():
        transform = alignments(landmarks[None])[0]
        if transform[:, :2].any():
            return align(picture, transform)
    raise ImageError("face:unalignable", "landmarks that are in one point or not finite")
