"""The state of the review of a build: what is next, what was judged, what is left."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pipelines.corrections.correction import CropReference, in_force
from pipelines.corrections.effects import effects_of
from pipelines.corrections.journal import read_corrections
from pipelines.corrections.locating import Located, locate
from pipelines.corrections.lookup import BuildLookup
from pipelines.corrections.review.estimate import ErrorEstimate, estimate
from pipelines.corrections.review.judged import JudgedUnits, judged_units
from pipelines.corrections.review.people import PairToReview, pairs_to_review
from pipelines.corrections.review.queue import ReviewQueue
from pipelines.corrections.review.units import all_units
from webbody.parquet_tables import read_parquet


@dataclass(frozen=True)
class ReviewState:
    """The queue of a build's pictures with what was judged of it, and the pairs of people."""

    queue: ReviewQueue
    judged: JudgedUnits
    pairs: list[PairToReview]

    @classmethod
    def of(cls, lookup: BuildLookup) -> "ReviewState":
        """Read a build: every face of it is looked at once."""
        shards = lookup.records.shards
        return cls.of_units(
            lookup,
            all_units(lookup.columns, shards),
            lambda references: locate(references, shards, lookup.columns),
        )

    @classmethod
    def of_units(
        cls,
        lookup: BuildLookup,
        units: pa.Table,
        located_in: Callable[[Collection[CropReference]], Located],
    ) -> "ReviewState":
        """The same with units that are at hand; located_in: finds pictures in the build."""
        corrections = read_corrections(lookup.folder)
        located = located_in({one for said in corrections for one in said.references})
        adjust = effects_of(in_force(corrections), located).adjustments
        return cls(
            ReviewQueue.of(units),
            judged_units(units, corrections, located),
            _pairs(lookup, adjust.one | adjust.two),
        )

    def next(self, most: int) -> list[int]:
        """The rows of the queue's units that are to be looked at next."""
        source = self.queue.next(self.judged.reviewed)
        return [row for row, _ in zip(source, range(most), strict=False)]

    def next_units(self, most: int) -> list[dict[str, Any]]:
        """The units that are to be looked at next."""
        rows = pa.array(self.next(most), pa.int64())  # of no rows the type must be said
        units: list[dict[str, Any]] = self.queue.units.take(rows).to_pylist()
        return units

    def estimate(self) -> ErrorEstimate:
        """How many errors are left."""
        return estimate(self.queue, self.judged.reviewed, self.judged.wrong)


def _pairs(lookup: BuildLookup, said: frozenset[tuple[str, str]]) -> list[PairToReview]:
    if lookup.records.get("identities") is None:
        return []
    tables = {}
    for name in ("pairs", "people"):
        with lookup.folder.open(f"identities/{name}.parquet") as file:
            tables[name] = read_parquet(file).to_pylist()
    settings = (lookup.records.build.get("config") or {})["identities"]
    return pairs_to_review(tables["pairs"], tables["people"], settings, said)
