"""One face is assigned to one crop, although crops of persons overlap."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from webbody.geometry import overlaps

#: IoU from which two face boxes are the same face.
SAME = 0.5
OUTCOME = "face:shared"


def deduplicate(rows: Sequence[dict[str, Any]], persons: Mapping[str, Mapping[str, Any]]) -> None:
    """Assign a face that several crops of a photo show to the largest crop.

    `rows` are those of the faces table, grouped by photo; `persons` has each crop's `area`. The
    other crops get the outcome `face:shared` and, as detail, the crop that keeps the face.
    Detectors sometimes give a person a second, partial box; without this both would become samples.
    """
    for _, group in groupby(rows, key=lambda row: row["key"]):
        found = [row for row in group if row["outcome"] is None]
        # Ties are ordered by name, so that the result is deterministic.
        found.sort(key=lambda row: (-_size(persons[row["crop"]]["area"]), row["crop"]))
        kept: list[tuple[str, NDArray[np.float32]]] = []
        for row in found:
            origin = np.array(persons[row["crop"]]["area"][:2], np.float32)
            box = (np.asarray(row["box"], np.float32).reshape(2, 2) + origin).reshape(-1)
            owner = next((crop for crop, other in kept if _same(box, other)), None)
            if owner is None:
                kept.append((row["crop"], box))
            else:
                row["outcome"], row["detail"] = OUTCOME, f"the face of {owner}"


def _size(area: Sequence[int]) -> int:
    left, top, right, bottom = area
    return (right - left) * (bottom - top)


def _same(a: NDArray[np.float32], b: NDArray[np.float32]) -> bool:
    return bool(overlaps(a[None].astype(float), b[None].astype(float))[0, 0] > SAME)
