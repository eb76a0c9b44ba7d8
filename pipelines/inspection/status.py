"""How far a build is, read from its commit records alone."""

from collections import Counter
from dataclasses import dataclass

from pipelines.base.stage import ALL
from pipelines.engine.graph import PACK, PLAN, SPLIT, STAGES
from pipelines.engine.state import outcome_counts, pack_shards, planned_shards, read_build
from webbody.commit import intact, read_record
from webbody.errors import WebbodyError
from webbody.storage import Folder


@dataclass
class StageStatus:
    """Shards of a stage: committed, in all, and committed ones whose files were lost."""

    committed: int
    total: int | None  # None while it is not known yet
    lost: list[str]


@dataclass
class Status:
    """The state of a build folder."""

    manifest: str
    rows: int
    outcomes: dict[str, int]
    stages: dict[str, StageStatus]

    @property
    def complete(self) -> bool:
        return all(s.committed == s.total and not s.lost for s in self.stages.values())


def status(out: str) -> Status:
    """Read the state of a build folder; WebbodyError where it is none."""
    folder = Folder(out)
    build = read_build(folder)
    plan = read_record(folder, PLAN.name, ALL)
    if build is None or plan is None:
        raise WebbodyError(f"{out} holds no build; start one with `webbody build --out {out}`.")
    shards = planned_shards(plan)
    packs = pack_shards(folder) if read_record(folder, SPLIT.name, ALL) else None
    stages = {}
    for node in STAGES:
        names = (ALL,) if node.whole else packs if node is PACK else shards
        records = [read_record(folder, node.name, shard) for shard in names or ()]
        found = [record for record in records if record is not None]
        stages[node.name] = StageStatus(
            committed=len(found),
            total=None if names is None else len(names),
            lost=[record.shard for record in found if not intact(folder, record)],
        )
    outcomes, rows = outcome_counts(folder, shards)
    counted: Counter[str] = Counter(outcomes)
    if missing := rows - counted.total():
        counted["incomplete"] = missing
    return Status(build["manifest"], rows, dict(counted), stages)
