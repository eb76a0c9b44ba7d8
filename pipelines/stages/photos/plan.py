"""Plan of a build of whole photos: a list of URLs, whose names count for nothing."""

from collections.abc import Iterable, Iterator, Mapping
from typing import ClassVar

import pyarrow as pa

from pipelines.base.stage import Inputs, Outputs
from pipelines.stages.plan import Plan, shard_table
from webbody.plain_text import counted


class PhotoPlan(Plan):
    """Cuts a list into shards of about `rows_per_shard` rows; a URL stands in one row alone.

    Outputs what `Plan` does, without names. Rows are ordered by a digest of their URL, so that the
    hosts are spread over all shards; a shard is called after its first URL.
    """

    version = 1
    same: ClassVar[tuple[str, ...]] = ("url",)

    def process(self, inputs: Inputs, outputs: Outputs) -> Mapping[str, int]:
        self._named = 0
        counts = super().process(inputs, outputs)
        if self._named:
            outputs.note(
                f"{counted(self._named, 'row')} of the list have a name: names are not used, and "
                "not kept, where whole photos are built (samples: photos)."
            )
        return counts

    def _accepted(self) -> Iterator[pa.RecordBatch]:
        return self._without_names(self.manifest.accepted())

    def _rejected(self) -> Iterator[pa.RecordBatch]:
        return self._without_names(self.manifest.rejected())

    def _without_names(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The rows with no name, and their number counted that had one."""
        for batch in batches:
            self._named += batch.num_rows - batch.column("name").null_count
            at = batch.schema.names.index("name")
            yield batch.set_column(
                at, batch.schema.field(at), pa.nulls(batch.num_rows, pa.string())
            )

    def _shards(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
        """Rows collected into shards; whether a cut comes before a row, its URL decides."""
        pending: list[pa.RecordBatch] = []
        rows = 0
        for batch in batches:
            start = 0
            for at, url in enumerate(batch.column("url").to_pylist()):
                if rows and self._cut_before(url, rows, 1):
                    yield shard_table([*pending, batch.slice(start, at - start)])
                    pending, rows, start = [], 0, at
                rows += 1
            pending.append(batch.slice(start))
        if rows:
            yield shard_table(pending)
