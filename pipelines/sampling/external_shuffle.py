"""External shuffle: rows of many tables to many files, in a given order, on disk."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from webbody.scratch import scratch_folder

#: Target files of a group; one group at a time is in memory.
GROUPS = 64


class ExternalShuffle:
    """Takes tables with the target file and place of each row; gives back each file's rows.

    files: number of target files. Rows wait in a temporary folder. Use it in a `with`.
    """

    def __init__(self, schema: pa.Schema, files: int) -> None:
        self._stack = ExitStack()
        self._folder = Path(self._stack.enter_context(scratch_folder("shuffle")))
        self._schema = schema.append(pa.field("_file", pa.int64())).append(
            pa.field("_place", pa.int64())
        )
        self._span = max(1, -(-files // GROUPS))
        self._writers = [
            self._stack.enter_context(pa.ipc.new_stream(self._folder / str(group), self._schema))
            for group in range(-(-files // self._span))
        ]

    def add(self, table: pa.Table, file: NDArray[np.int64], place: NDArray[np.int64]) -> None:
        """file, place: (N,) for each row of the table; places order the rows of a file."""
        table = table.append_column("_file", pa.array(file)).append_column(
            "_place", pa.array(place)
        )
        group = file // self._span
        for number in np.unique(group):
            rows = table.filter(pa.array(group == number))
            self._writers[number].write_table(rows.cast(self._schema))

    def files(self) -> Iterator[tuple[int, pa.Table]]:
        """Number and rows of each file, in order; nothing may be added any more."""
        for group, writer in enumerate(self._writers):
            writer.close()
            path = self._folder / str(group)
            with pa.OSFile(str(path)) as source:
                table = pa.ipc.open_stream(source).read_all()
            table = table.sort_by([("_file", "ascending"), ("_place", "ascending")])
            numbers = table["_file"].to_numpy()
            starts = np.flatnonzero(np.diff(numbers, prepend=-1))
            for start, end in zip(starts, np.append(starts, len(numbers))[1:], strict=True):
                part = table.slice(start, end - start).drop_columns(["_file", "_place"])
                yield int(numbers[start]), part.combine_chunks()
            path.unlink()

    def __enter__(self) -> "ExternalShuffle":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)
