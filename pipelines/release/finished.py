"""Reading a finished build through its valid commit records."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pipelines.base.stage import ALL
from pipelines.engine.graph import FROM_URLS, PACK, PLAN, SPLIT, graph_of
from pipelines.engine.state import outcome_counts
from pipelines.inspection.status import status
from webbody.build_records import BuildRecords
from webbody.config import BuildConfig
from webbody.errors import WebbodyError
from webbody.storage import Folder


@dataclass(frozen=True)
class FinishedBuild:
    """A build folder that is complete, and its records."""

    folder: Folder
    records: BuildRecords

    @classmethod
    def read(cls, out: str) -> "FinishedBuild":
        """Read a folder; WebbodyError if it holds no complete build."""
        state = status(out)
        if not state.complete:
            raise WebbodyError(
                f"{out}: is not complete, so there is nothing to release yet; `webbody status "
                f"{out}` says what is missing."
            )
        if state.waiting:
            raise WebbodyError(f"{out}: {state.waiting} Build, and then release.")
        found = cls(Folder(out), BuildRecords(Folder(out)))
        if "release" in found.records.build:
            raise WebbodyError(
                f"{out}: was built from a release itself; publish that release, or release a build "
                "from a list of URLs and names."
            )
        if graph_of(found.records.build.get("stages")) is FROM_URLS:
            raise WebbodyError(
                f"{out}: holds whole photos, and a release tells where each person is: publish its "
                "list of URLs instead, with the sha256 of split/, from which everybody builds the "
                "same with `--preset humans`."
            )
        if not found.records.need(SPLIT.name).counts["out"]:
            raise WebbodyError(f"{out}: nothing was kept in this build; nothing to release.")
        return found

    @cached_property
    def config(self) -> BuildConfig:
        """The settings with which it was built."""
        return BuildConfig.model_validate(self.records.build["config"])

    @property
    def shards(self) -> tuple[str, ...]:
        """The planned shards."""
        return self.records.shards

    @property
    def packs(self) -> tuple[str, ...]:
        """The output shards, such as train-000000."""
        return self.records.packs or ()

    @property
    def tars(self) -> list[str]:
        """sha256 of the output shards' tars."""
        return [self.records.need(PACK.name, p).outputs[f"{p}.tar"].sha256 for p in self.packs]

    @property
    def outcomes(self) -> dict[str, int]:
        """What became of the manifest's rows, most frequent first."""
        found, _ = outcome_counts(self.records, self.shards)
        return {outcome: count for outcome, count in found.items() if count}

    @property
    def rows(self) -> int:
        """Rows of the manifest."""
        return self.records.need(PLAN.name).counts["in"]

    def counts(self, stage: str, shard: str = ALL) -> dict[str, Any]:
        """The counts of a record."""
        return self.records.need(stage, shard).counts
