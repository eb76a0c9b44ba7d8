"""What was said of units of review: which were judged, and which had been decided wrongly."""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from pipelines.corrections.correction import (
    OF_PICTURES,
    OUTCOMES,
    Correction,
    Verdict,
    detail_of,
)
from pipelines.corrections.locating import Located
from pipelines.corrections.review.queue import reviewed_units


@dataclass(frozen=True)
class JudgedUnits:
    """Rows of UNITS that somebody judged, and those that had been decided wrongly."""

    reviewed: frozenset[int]
    wrong: frozenset[int]


def judged_units(
    units: pa.Table, corrections: Sequence[Correction], located: Located
) -> JudgedUnits:
    """Read the last word on each unit from everything that was said.

    A picture that was taken out was wrong if the build had kept it, one that was kept by hand if it
    had not; what it would say now is no matter once it heeds the correction.
    """
    undone = {one.undoes for one in corrections if one.verdict == Verdict.UNDO}
    last: dict[str, Correction] = {}
    for one in corrections:
        if one.verdict in OF_PICTURES and one.id not in undone:
            for reference in one.crops:
                for place in located.get(reference, ()):
                    before = last.get(place.crop)
                    # A word of praise takes nothing back.
                    if before is None or one.verdict != Verdict.RIGHT:
                        last[place.crop] = one
    reviewed = reviewed_units(units, last)
    wrong = set()
    for row in reviewed:
        unit = units.slice(row, 1).to_pylist()[0]
        said = [last[crop] for crop in unit["crops"] if crop in last]
        if any(_was_wrong(one, unit["outcome"], unit["by"]) for one in said):
            wrong.add(row)
    return JudgedUnits(frozenset(reviewed), frozenset(wrong))


def _was_wrong(one: Correction, outcome: str | None, by: str | None) -> bool:
    heeded = by == detail_of(one.id)
    if one.verdict == Verdict.KEEP:
        return outcome is not None or heeded
    return one.verdict in OUTCOMES and (outcome is None or heeded)
