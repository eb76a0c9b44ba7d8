"""Which samples have a face that can be aligned, and is large enough to learn from.

Shape suffixes: N samples, L the five landmarks.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from model.training.data.table import Table
from model.training.parts import Say
from webbody.errors import WebbodyError
from webbody.geometry import FACE_SIDE, FACE_TEMPLATE, similarities
from webbody.skeleton import FACE5


def with_faces(table: Table, sources: Sequence[str], min_face: float, say: Say) -> Table:
    """The samples whose faces can be trained on; says how many are left out, and why.

    sources: of the table's data sets. min_face: pixels of an aligned face's side in the sample's
    picture. Raises WebbodyError where a data set has no face at all, or all show one person.
    """
    seen_N = (table.keypoints[:, FACE5, 2] > 0).all(1)
    large_N = face_sides(table) >= min_face
    usable_N = seen_N & large_N
    for number, source in enumerate(sources):
        own_N = table.dataset == number
        if not (own_N & usable_N).any():
            raise WebbodyError(
                _none(source, int(own_N.sum()), int((own_N & seen_N).sum()), min_face)
            )
    lack, small = int((~seen_N).sum()), int((seen_N & ~large_N).sum())
    taken = table.taken(usable_N)
    if taken.classes < 2:
        raise WebbodyError("data.sources show the face of a single person: nobody to tell it from.")
    if lack or small:
        say(
            f"{len(taken):,} of {len(table):,} samples have a face to train on, of "
            f"{taken.classes:,} of {table.classes:,} people; {lack:,} lack a landmark (eyes, nose, "
            f"mouth corners), {small:,} are smaller than {min_face:g} px (data.min_face)."
        )
    return taken


def _none(source: str, samples: int, seen: int, min_face: float) -> str:
    if seen:
        return (
            f"{source}: all of the {seen:,} faces are smaller than {min_face:g} px; lower "
            "data.min_face, or take other data"
        )
    return (
        f"{source}: none of the {samples:,} samples has all five landmarks of a face (eyes, nose, "
        "mouth corners) among its keypoints; keypoints.model of a build must be one that finds "
        "mouth corners, such as rtmw-l-256x192"
    )


def face_sides(table: Table) -> NDArray[np.float64]:
    """Sides (N,) of the samples' aligned faces in pixels of their pictures; 0 without landmarks."""
    side_N = np.maximum(table.width, table.height)
    marks_NL2 = table.keypoints[:, FACE5, :2].astype(np.float64) * side_N[:, None, None]
    transforms = similarities(marks_NL2, FACE_TEMPLATE.astype(np.float64))
    scale_N = np.hypot(transforms[:, 0, 0], transforms[:, 1, 0])
    return np.divide(FACE_SIDE, scale_N, out=np.zeros(len(table)), where=scale_N > 0)
