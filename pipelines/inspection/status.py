"""The status of a build, from its commit records."""

import shlex
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from pipelines.base.stage import ALL
from pipelines.corrections.told import waiting_sentence
from pipelines.engine.graph import PLAN, stages_of
from pipelines.engine.state import outcome_counts
from pipelines.stages.pack import INDEX, index_of
from webbody.build_records import BuildRecords
from webbody.commit import intact
from webbody.storage import Folder


@dataclass
class StageStatus:
    """Shards of a stage: committed (as the build asks), in all, and those whose files are lost."""

    committed: int
    total: int | None  # None while it is not known yet
    lost: list[str]


@dataclass
class Status:
    """The state of a build folder.

    `indexed`: its index lists what valid records list. `waiting`: a sentence where people said
    something that the next build will heed for the first time.
    """

    manifest: str
    rows: int
    outcomes: dict[str, int]
    stages: dict[str, StageStatus]
    indexed: bool
    waiting: str = ""

    @property
    def complete(self) -> bool:
        return self.indexed and _finished(self.stages)

    def how_to_finish(self, out: str) -> str:
        """A sentence for the user of a build in the folder `out` that is not complete."""
        command = f"webbody build --manifest {shlex.quote(self.manifest)} --out {shlex.quote(out)}"
        return f"Not complete: run `{command}` with its settings to go on."


def status(out: str) -> Status:
    """Read the state of a build folder; WebbodyError where it is none."""
    folder = Folder(out)
    folder.look()
    return status_of(BuildRecords(folder))


def status_of(records: BuildRecords) -> Status:
    """The state of a build folder whose records are read."""
    folder = records.folder
    planned = records.shards if records.get(PLAN.name) else None
    stages = {}
    for node in stages_of(records.build.get("stages")):
        names = (ALL,) if node.is_global else records.packs if node.of_output else planned
        found = [r for shard in names or () if (r := records.get(node.name, shard)) is not None]
        stages[node.name] = StageStatus(
            committed=len(found),
            total=None if names is None else len(names),
            lost=[record.shard for record in found if not intact(folder, record)],
        )
    outcomes, rows = outcome_counts(records, planned) if planned is not None else ({}, 0)
    counted: Counter[str] = Counter(outcomes)
    if missing := rows - counted.total():
        counted["incomplete"] = missing
    indexed = _finished(stages) and _indexed(folder)
    waits = waiting_sentence(records)
    return Status(records.build["manifest"], rows, dict(counted), stages, indexed, waits)


def _finished(stages: Mapping[str, StageStatus]) -> bool:
    return all(stage.committed == stage.total and not stage.lost for stage in stages.values())


def _indexed(folder: Folder) -> bool:
    try:
        return folder.read(INDEX) == index_of(folder)
    except FileNotFoundError:
        return False
