"""Writing the data files of a release: equal rows give equal bytes."""

import hashlib
from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from webbody.releases.format import FILE_ROWS, GROUP_ROWS, SCHEMA, DataFile, data_file
from webbody.releases.release import file_sha256
from webbody.storage import Folder


def write_data(
    folder: Folder, split: str, tables: Iterable[pa.Table], file_rows: int = FILE_ROWS
) -> dict[str, DataFile]:
    """Write the samples of a split, which come sorted by person and key in tables of any size.

    Returns the files by name. The bytes depend on the rows alone, not on how they came.
    """
    written: dict[str, DataFile] = {}
    groups = _groups(tables, file_rows)
    group = next(groups, None)
    while group is not None:
        name, rows = data_file(split, len(written)), 0
        with folder.write(name) as file:
            with pq.ParquetWriter(file, SCHEMA, compression="zstd") as writer:
                while group is not None and rows + len(group) <= file_rows:
                    writer.write_table(group, row_group_size=GROUP_ROWS)
                    rows += len(group)
                    group = next(groups, None)
            size = file.tell()
            file.seek(0)
            written[name] = DataFile(sha256=file_sha256(file), bytes=size, rows=rows)
    return written


def _groups(tables: Iterable[pa.Table], file_rows: int) -> Iterator[pa.Table]:
    """The same rows in pieces of GROUP_ROWS; the last one of a file may have fewer."""
    held: list[pa.Table] = []
    count = done = 0
    for table in tables:
        held.append(table.select(SCHEMA.names).cast(SCHEMA))
        count += len(table)
        while count >= (most := min(GROUP_ROWS, file_rows - done % file_rows)):
            joined = pa.concat_tables(held).combine_chunks()
            yield joined.slice(0, most)
            held, count, done = [joined.slice(most)], count - most, done + most
    if count:
        yield pa.concat_tables(held).combine_chunks()


def digest_of_shards(sha256: Iterable[str]) -> str:
    """One digest for a whole data set: sha256 over the sorted digests of its tars, a line each."""
    lines = "".join(f"{one}\n" for one in sorted(sha256))
    return hashlib.sha256(lines.encode()).hexdigest()
