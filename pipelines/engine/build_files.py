"""A build folder for reading: committed tables and single images of a few of its shards."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from typing import Any, TypeVar

import pyarrow as pa

from pipelines.base.row_lookup import shards_of_names
from pipelines.base.stage import Inputs
from pipelines.engine.graph import PACK, PLAN, graph_of
from webbody.build_records import BuildRecords
from webbody.commit import Record
from webbody.errors import WebbodyError
from webbody.shards import MemberReader
from webbody.storage import Folder

#: Shards of a stage that are looked into; more would cost time and hardly change the samples.
MOST_SHARDS = 12

T = TypeVar("T")


class BuildFiles:
    """A build folder for reading; use it in a `with`. Only files of valid records are read."""

    def __init__(self, out: str) -> None:
        self.folder = Folder(out)
        self.records = BuildRecords(self.folder)
        self.records.need(PLAN.name)
        self.manifest: str = self.records.build["manifest"]
        self.settings: dict[str, Any] = self.records.build.get("config") or {}
        self.graph = graph_of(self.records.build.get("stages"))
        self.planned = self.records.shards
        self.packs = self.records.packs or ()
        self._tars: dict[tuple[str, str], MemberReader | None] = {}
        self._open = ExitStack()

    def __enter__(self) -> "BuildFiles":
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def record(self, stage: str, shard: str) -> Record | None:
        """The valid record of a shard's files of a stage."""
        return self.records.get(stage, shard)

    def shards(self, stage: str, most: int = MOST_SHARDS) -> list[str]:
        """Some shards that this stage has committed, spread over the build."""
        found = []
        for shard in shuffled(self.packs if stage == PACK.name else self.planned):
            record = self.record(stage, shard)
            if record is not None and any(name.startswith(f"{shard}.") for name in record.outputs):
                found.append(shard)
                if len(found) == most:
                    break
        return sorted(found)

    def table(self, stage: str, shard: str, columns: Sequence[str]) -> pa.Table | None:
        """Columns of a shard's table; None where it is not committed."""
        record = self.record(stage, shard)
        if record is None or f"{shard}.parquet" not in record.outputs:
            return None
        try:
            return Inputs(self.folder, shard).table(stage, columns=list(columns))
        except FileNotFoundError:  # lost after the commit; `webbody status` tells
            return None

    def rows(self, stage: str, shard: str, columns: Sequence[str]) -> list[dict[str, Any]]:
        """The rows of a shard's table, each with its shard; none where it is not committed."""
        table = self.table(stage, shard, columns)
        return [] if table is None else [{**row, "shard": shard} for row in table.to_pylist()]

    def tar(self, stage: str, shard: str) -> MemberReader | None:
        """The images of a shard; None where they were evicted or lost."""
        key = (stage, shard)
        if key not in self._tars:
            record = self.record(stage, shard)
            listed = record is not None and f"{shard}.tar" in set(record.outputs) - set(
                record.evicted
            )
            try:
                reader = Inputs(self.folder, shard).random_access(stage) if listed else None
            except FileNotFoundError:
                reader = None
            self._tars[key] = self._open.enter_context(reader) if reader else None
        return self._tars[key]

    def image(self, stage: str, row: dict[str, Any]) -> bytes | None:
        """The image of a row of `stage` (shard, offset, length); None where it is not there."""
        tar = self.tar(stage, row["shard"]) if row.get("offset") is not None else None
        if tar is None:
            return None
        try:
            return tar.read(row["offset"], row["length"])
        except (OSError, WebbodyError):
            return None

    def gap(self, stage: str, images: bool = True) -> str | None:
        """A sentence where there is nothing to show of a stage, or no images of it."""
        shards = self.shards(stage)
        if not shards:
            return f"Not there yet: no shard of the stage “{stage}” is committed."
        if images and not any(self.tar(stage, shard) for shard in shards):
            return (
                f"The images of the stage “{stage}” were evicted to save space; "
                "its tables and records are kept."
            )
        return None

    def shards_of(self, names: Iterable[str]) -> set[str]:
        """The planned shards in which these names stand, by the ranges in the tables' footers."""
        return shards_of_names(self.folder, PLAN.name, self.planned, names)


def shuffled(items: Iterable[T], key: Callable[[T], str] = str) -> list[T]:
    """The items in an order that looks random and depends on their keys alone."""
    return sorted(items, key=lambda item: hashlib.blake2b(key(item).encode()).digest())
