"""Sums over the commit records of a build."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from pipelines.base.stage import ALL
from pipelines.engine.graph import LEDGER, PLAN, stages_of
from webbody.build_records import BuildRecords

#: How the outcomes begin that the plan gives.
_REJECTED = ("manifest:", "takedown")


@dataclass
class StageTotals:
    """Sums over the committed shards of a stage; `seconds` are those of its workers."""

    shards: int = 0
    items_in: int = 0
    items_out: int = 0
    seconds: float = 0.0


def outcome_counts(records: BuildRecords, shards: Iterable[str]) -> tuple[dict[str, int], int]:
    """Outcomes of all manifest rows so far, most frequent first, and the number of rows."""
    plan = records.need(PLAN.name)
    total: Counter[str] = Counter(
        {name: count for name, count in plan.counts.items() if name.startswith(_REJECTED)}
    )
    for shard in shards:
        record = records.get(LEDGER.name, shard)
        if record is not None:
            total.update(
                {k: v for k, v in record.counts.items() if k in ("kept", "takedown") or ":" in k}
            )
    return dict(total.most_common()), plan.counts["in"]


def stage_totals(records: BuildRecords) -> dict[str, StageTotals]:
    """Sums over the commit records of each stage."""
    out = {}
    for node in stages_of(records.build.get("stages")):
        per = (records.packs or ()) if node.of_output else records.shards
        names = (ALL,) if node.is_global else per
        totals = out[node.name] = StageTotals()
        for shard in names:
            record = records.get(node.name, shard)
            if record is not None:
                totals.shards += 1
                totals.items_in += record.counts.get("in", 0)
                totals.items_out += record.counts.get("out", 0)
                totals.seconds += record.seconds
    return out
