"""Tables kept in files that processes map into their memory."""

import os
from pathlib import Path

import pyarrow as pa


def write_arrow(table: pa.Table, path: Path) -> None:
    """Write a table; the file appears whole or not at all, also where several ranks write it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with pa.ipc.new_file(str(temporary), table.schema) as file:
            # One chunk, or columns could not be mapped as arrays.
            file.write_table(table, max_chunksize=max(1, len(table)))
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def is_arrow(path: Path, schema: pa.Schema) -> bool:
    """Whether the file is one of such columns that `write_arrow` has finished."""
    try:
        with pa.memory_map(str(path)) as file:
            return bool(pa.ipc.open_file(file).schema == schema)
    except (OSError, pa.ArrowInvalid):
        return False


def read_arrow(path: Path) -> pa.Table:
    """The table of a file, mapped into memory."""
    return pa.ipc.open_file(pa.memory_map(str(path))).read_all()
