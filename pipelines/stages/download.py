"""The download stage: the original images of a shard, and the outcome of every URL."""

import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from pipelines.base.stage import Inputs, Outputs, Stage
from pipelines.fetching.bulk_fetch import BulkFetch
from pipelines.fetching.earlier import EarlierRows, fetched_by
from pipelines.fetching.fetched import Fetched
from pipelines.fetching.place_book import SharedPlaces
from pipelines.fetching.shard_tables import ANSWERS, Rows, ShardTables
from webbody.config import WORKER, DownloadSettings, WorkerResources
from webbody.removals import lists_in
from webbody.scratch import scratch_folder


class Download(Stage[DownloadSettings]):
    """Fetches each URL of a shard with img2dataset through the guarded opener.

    Outputs the original bytes as `<key>.<format>` in a tar, in the plan's order whatever the order
    of arrival, and one row per URL (SCHEMA; `width` and `height` of the upright image, `offset`
    and `length` of the member in the tar; `detail` of an image is where a redirect led). Images
    are not decoded here, their headers are read. As many connections are open at a time as the
    worker has threads. What servers said of their answers, and when and how often they were asked
    (ANSWERS_SCHEMA), lies beside the table, for a release and for later runs.

    Earlier downloads are reused: their rows are checked against the present settings, and only new
    rows, rows rejected by a setting that is looser now, and rows that `retry` names are fetched.
    """

    name = "download"
    version = 3  # stored rows are checked against changed settings instead of fetched
    needs = ("plan",)

    def __init__(self, settings: DownloadSettings, resources: WorkerResources = WORKER) -> None:
        super().__init__(settings, resources)
        self._fetch = BulkFetch(settings, resources.threads)

    def share_hosts(self, places: SharedPlaces) -> None:
        self._fetch.access.hosts.shared = places

    def process(self, inputs: Inputs, outputs: Outputs) -> Mapping[str, int]:
        plan = inputs.table("plan", columns=["key", "url", "sha256"]).to_pylist()
        access = self._fetch.access
        access.sites.store, access.outage.say = inputs.folder, outputs.note
        rows = Rows(plan, self.settings.verify == "reject", lists_in(inputs.folder))
        earlier = EarlierRows.of(
            inputs.folder, self.name, inputs.shard, ANSWERS, self.settings, self.version
        )
        found: list[Fetched | None] = [None] * len(plan)
        if earlier is not None:
            found = [earlier.of_url(row["url"], row["sha256"]) for row in plan]
            if earlier.site_rules_changed():
                self._ask_sites(plan, found)
            lacks = outputs.recreate_evicted and not earlier.has_bodies
            if not lacks and rows.are_there(found, earlier):
                return outputs.keep(earlier.record)
            if not earlier.has_bodies:
                found = [got if got is not None and got.outcome else None for got in found]
        with ExitStack() as stack:
            there = earlier is not None and earlier.has_bodies
            carried = stack.enter_context(earlier.bodies()) if earlier and there else None
            tables = ShardTables(rows, found, earlier, carried, outputs)
            temporary = stack.enter_context(scratch_folder("download"))
            spool = stack.enter_context(tempfile.TemporaryFile(dir=temporary))
            urls = [plan[number]["url"] for number in tables.missing]
            self._fetch(urls, tables.fetched, Path(temporary), spool)
            tables.close(fetched_by(self.settings, self.version))
        return tables.counts

    def _ask_sites(self, plan: list[dict[str, Any]], found: list[Fetched | None]) -> None:
        """Apply the present rules of hosts' files to stored pictures."""
        kept = [n for n, got in enumerate(found) if got is not None and got.outcome is None]
        refused = self._fetch.access.refused([plan[number]["url"] for number in kept])
        for number, error in zip(kept, refused, strict=True):
            got = found[number]
            if error is not None and got is not None:
                found[number] = got.rejected(error.outcome, error.detail)
