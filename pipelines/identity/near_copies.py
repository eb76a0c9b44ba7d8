"""What becomes of photos that stand under two people, or are pictures of a gallery."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipelines.identity.copies_across import NearCopy
from pipelines.identity.resolution import LEAK

#: The table of them. `decision`: dropped, where a crop of the pair is out for it, or told.
NEAR_COPIES = "near-copies.parquet"
TWO_PEOPLE = "identity:two-people"
_SCHEMA = pa.schema(
    [
        ("crop_a", pa.string()),
        ("crop_b", pa.string()),
        ("person_a", pa.int64()),
        ("person_b", pa.int64()),
        ("gallery", pa.string()),
        ("identity", pa.string()),
        ("bits", pa.int32()),
        ("similarity", pa.float32()),
        ("decision", pa.string()),
    ]
)


@dataclass(frozen=True)
class DroppedCopy:
    """A crop that goes: its person's number in the build, its outcome, the cosine that decided."""

    person: int
    outcome: str
    similarity: float


def dropped(
    copies: Sequence[NearCopy],
    by_hand: Collection[str],
    *,
    gallery: bool,
    across: bool,
    alike: float,
) -> dict[str, DroppedCopy]:
    """The crops that go. `by_hand` are those that somebody kept, which stay.

    gallery: drop pictures of galleries. across: drop both crops of a photo under two people whose
    cosine is above `alike`: whose picture it is nobody knows. A photo that shows two people, each
    under the own name, is no mistake, and their faces differ.
    """
    out: dict[str, DroppedCopy] = {}
    for one in copies:
        goes = [(one.crop_a, one.person_a)]
        if not one.gallery:
            goes.append((one.crop_b, one.person_b))
        if not (gallery if one.gallery else across and one.similarity > alike):
            continue
        outcome = f"{LEAK}:{one.gallery}" if one.gallery else TWO_PEOPLE
        for crop, person in goes:
            if crop not in by_hand:
                out[crop] = DroppedCopy(person, outcome, one.similarity)
    return out


def near_copies_table(
    copies: Sequence[NearCopy], out: Collection[str], label: NDArray[np.int64]
) -> pa.Table:
    """The table; label: the id of each person, -1 of those who are not in the build."""
    known = [int(one) if one >= 0 else None for one in label]
    rows = [
        {
            "crop_a": one.crop_a,
            "crop_b": one.crop_b or None,
            "person_a": known[one.person_a],
            "person_b": known[one.person_b] if one.crop_b else None,
            "gallery": one.gallery or None,
            "identity": one.identity or None,
            "bits": one.bits,
            "similarity": one.similarity,
            "decision": "dropped" if one.crop_a in out or one.crop_b in out else "told",
        }
        for one in copies
    ]
    return pa.Table.from_pylist(rows, _SCHEMA)
