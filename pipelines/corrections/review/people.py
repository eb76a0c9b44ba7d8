"""Decisions about pairs of people, the most doubtful first."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipelines.identity.adjustments import NamePair

#: The setting that decides each kind of pair; pairs that people decided are in no queue.
_THRESHOLDS = {
    "merged": "similar",
    "apart": "similar",
    "unmerged": "similar",
    "ambiguous": "ambiguous",
    "leak": "leak",
}
#: Cosines over which a decision about people turns from doubtful into sure.
_BORDER = 0.05


@dataclass(frozen=True)
class PairToReview:
    """Two names (or a name and `gallery:identity`), what the build made of them, and how sure.

    images: pictures that the decision is about. priority: what the queue is ordered by.
    """

    names: NamePair
    decision: str
    similarity: float
    images: int
    priority: float


def pairs_to_review(
    pairs: Sequence[Mapping[str, Any]],
    people: Sequence[Mapping[str, Any]],
    thresholds: Mapping[str, float],
    said: Collection[NamePair] = (),
) -> list[PairToReview]:
    """Pairs that nobody said anything of, the most doubtful about most pictures first.

    Args:
        pairs: Rows of identities/pairs.parquet.
        people: Rows of identities/people.parquet.
        thresholds: `similar`, `ambiguous` and `leak` of the settings.
        said: Pairs of names, in order, of which somebody said whether they are one person.
    """
    images = {name: row["images"] for row in people for name in row["names"] or ()}
    out = []
    for row in pairs:
        names = (row["name_a"], row["name_b"])
        setting = _THRESHOLDS.get(row["decision"])
        if setting is None or (min(names), max(names)) in said:
            continue
        about = [images[name] for name in names if name in images]
        count = min(about, default=1)
        doubt = np.exp(-abs(row["similarity"] - thresholds[setting]) / _BORDER)
        priority = float(doubt * np.sqrt(max(count, 1)))
        out.append(PairToReview(names, row["decision"], row["similarity"], count, priority))
    return sorted(out, key=lambda one: (-one.priority, one.names))
