"""One typed table in Parquet: a row for each sample, with its picture's bytes on request."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.export.columns import schema_of, table_of
from pipelines.export.samples import PackedPicture
from pipelines.export.writer import ExportContent, SampleWriter
from webbody.storage import Folder

SAMPLES = "samples.parquet"
#: Rows of a group: pictures are read a group at a time.
_ROWS, _ROWS_WITH_IMAGES = 2_000, 200
_IMAGE = pa.field("image", pa.binary())


class RowGroups:
    """A Parquet file to which samples are added; a row group of them is held."""

    def __init__(
        self,
        folder: Folder,
        name: str,
        schema: pa.Schema,
        rows: int,
        as_table: Callable[[Sequence[PackedPicture]], pa.Table],
        files: ExitStack,
    ) -> None:
        self._file = files.enter_context(folder.write(name))
        self._writer = files.enter_context(pq.ParquetWriter(self._file, schema, compression="zstd"))
        self._rows, self._as_table = rows, as_table
        self._held: list[PackedPicture] = []

    def add(self, sample: PackedPicture) -> None:
        """Add a row."""
        self._held.append(sample)
        if len(self._held) == self._rows:
            self.flush()

    def flush(self) -> None:
        """Write what is held as a row group."""
        if self._held:
            self._writer.write_table(self._as_table(self._held))
            self._held = []


class TableWriter(SampleWriter):
    """`samples.parquet`, sorted as the shards are; see `columns` for what a row holds."""

    has_files = False

    def __init__(self, folder: Folder, content: ExportContent, files: ExitStack) -> None:
        super().__init__(folder, content, files)
        self._schema = schema_of(content)
        whole, rows = self._schema, _ROWS
        if content.with_images:
            whole, rows = self._schema.append(_IMAGE), _ROWS_WITH_IMAGES
        self._groups = RowGroups(folder, SAMPLES, whole, rows, self._rows, files)

    def _rows(self, samples: Sequence[PackedPicture]) -> pa.Table:
        table = table_of(samples, self._schema)
        if not self.content.with_images:
            return table
        pictures: list[Any] = [sample.picture for sample in samples]
        return table.append_column(_IMAGE, pa.array(pictures, pa.binary()))

    def add(self, sample: PackedPicture) -> None:
        self._groups.add(sample)

    def finish(self) -> None:
        self._groups.flush()
