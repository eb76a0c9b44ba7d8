"""The state of a build, read from its commit records."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pipelines.base.stage import ALL, committed
from pipelines.engine.graph import LEDGER, PACK, PLAN, SPLIT, STAGES
from webbody import __version__
from webbody.commit import Record, read_record
from webbody.storage import Folder

BUILD_FILE = "build.json"


@dataclass
class StageTotals:
    """Sums over the committed shards of a stage; `seconds` are those of its workers."""

    shards: int = 0
    items_in: int = 0
    items_out: int = 0
    seconds: float = 0.0


def read_build(folder: Folder) -> dict[str, Any] | None:
    """`build.json` of a folder: manifest, its digest, configuration; None where there is none."""
    try:
        return json.loads(folder.read(BUILD_FILE))
    except (FileNotFoundError, ValueError):
        return None


def write_build(folder: Folder, values: dict[str, Any]) -> None:
    """Write `build.json`, with the version of the code."""
    text = json.dumps({**values, "code": __version__}, indent=1, sort_keys=True)
    folder.write_bytes(BUILD_FILE, (text + "\n").encode())


def planned_shards(plan: Record) -> tuple[str, ...]:
    """The shards of a plan, sorted."""
    return tuple(sorted(name.split(".")[0] for name in plan.outputs if name != "rejected.parquet"))


def pack_shards(folder: Folder) -> tuple[str, ...]:
    """The output shards that the split asks for, such as train-000000."""
    names = committed(folder, SPLIT.name, ALL).outputs
    return tuple(sorted(n.split(".")[0] for n in names if n.startswith(("train-", "test-"))))


def outcome_counts(folder: Folder, shards: Iterable[str]) -> tuple[dict[str, int], int]:
    """Outcomes of all manifest rows so far, most frequent first, and the number of rows."""
    plan = committed(folder, PLAN.name, ALL)
    total: Counter[str] = Counter(
        {key: value for key, value in plan.counts.items() if key.startswith("manifest:")}
    )
    for shard in shards:
        record = read_record(folder, LEDGER.name, shard)
        if record is not None:
            total.update({k: v for k, v in record.counts.items() if k == "kept" or ":" in k})
    return dict(total.most_common()), plan.counts["in"]


def stage_totals(
    folder: Folder, shards: tuple[str, ...], packs: tuple[str, ...]
) -> dict[str, StageTotals]:
    """Sums over the commit records of each stage."""
    out = {}
    for node in STAGES:
        names = (ALL,) if node.whole else packs if node is PACK else shards
        totals = out[node.name] = StageTotals()
        for shard in names:
            record = read_record(folder, node.name, shard)
            if record is not None:
                totals.shards += 1
                totals.items_in += record.counts.get("in", 0)
                totals.items_out += record.counts.get("out", 0)
                totals.seconds += record.seconds
    return out
