"""Checks that removed rows are absent from the tables."""

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from webbody.parquet_tables import read_parquet
from webbody.removals import RemovalLists
from webbody.storage import Folder

#: What a removal can be about, by the names that columns of any stage have for it.
_COLUMNS = {
    "url": "url",
    "sha256": "sha256",
    "person": "person",
    "sample": "sample",
    "name": "name",
}


def removed_rows(folder: Folder, file: str, removals: RemovalLists) -> list[int]:
    """The rows of a stage's table that a list of removals contains."""
    columns = _columns(folder, file)
    if not columns:
        return []
    with folder.open(file) as opened:
        table = read_parquet(opened, columns=list(columns.values()))
    return [
        row for row, one in enumerate(removal_queries(table, columns)) if removals.contains(**one)
    ]


def removal_queries(table: pa.Table, columns: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Each row as arguments of `Removals.contains`; columns: their names in the table."""
    lists = {scope: table[name].to_pylist() for scope, name in columns.items()}
    for row in range(len(table)):
        yield {scope: values[row] for scope, values in lists.items()}


def _columns(folder: Folder, file: str) -> dict[str, str]:
    """The columns of a table that a removal can be about."""
    with folder.open(file) as opened:
        names = set(pq.read_schema(opened).names)
    found = {scope: name for scope, name in _COLUMNS.items() if name in names}
    stage = file.partition("/")[0]
    if stage == "pack":  # whose pictures are its own: their digests are not those of the originals
        own = {"sample": "key", "person": "person"}
        found = {scope: name for scope, name in own.items() if name in names}
    elif stage == "plan" and "area" in names:  # a release's rows are called after their samples
        found["sample"] = "key"
    return found
