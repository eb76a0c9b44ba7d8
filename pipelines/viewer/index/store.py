"""The kept index of a build: a Parquet file per shard, called after what it was made from.

It lies in `.view/` inside the build, where a takedown removes it. Beside builds that cannot be
written to, or lie in a store, it is made in a temporary folder for as long as it is looked at.
"""

import hashlib
import logging
from collections.abc import Callable, Sequence
from contextlib import ExitStack

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.base.stage import ALL
from pipelines.engine.build_files import BuildFiles
from pipelines.engine.graph import PLAN
from pipelines.stages.plan import as_rejected
from pipelines.viewer.index.shard_rows import STAGES, rejected_rows, shard_rows
from webbody.errors import WebbodyError
from webbody.parquet_tables import read_parquet
from webbody.scratch import scratch_folder
from webbody.storage import Folder
from webbody.view_cache import VIEW_CACHE

#: Of the index's columns and their meaning: another one makes all files anew.
_VERSION = 4
_REJECTED = "rejected"
_LOG = logging.getLogger(__name__)


class IndexStore:
    """Where the index of a build lies; use it in a `with`."""

    def __init__(self, folder: Folder) -> None:
        self._stack = ExitStack()
        self._folder = Folder(self._place_of(folder))

    def __enter__(self) -> "IndexStore":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _place_of(self, folder: Folder) -> str:
        if folder.local:
            place = f"{folder.root}/{VIEW_CACHE}"
            try:
                Folder(place).write_bytes("version", str(_VERSION).encode())
                return place
            except (OSError, WebbodyError) as error:
                _LOG.info("%s cannot be written to: %s", place, error)
        return self._stack.enter_context(scratch_folder("view"))

    def path(self, name: str) -> str:
        """The full path of a file of it."""
        return self._folder.path(name)

    def update(
        self, build: BuildFiles, on_shard: Callable[[int, int], None] = lambda done, all: None
    ) -> list[str]:
        """Make what is missing, remove what is outdated; the paths of the files of all shards.

        on_shard: called with the shards that are done and their number.
        """
        wanted = {_name(build, shard): shard for shard in (_REJECTED, *build.planned)}
        there = {name for name in self._folder.names() if name.endswith(".parquet")}
        for number, (name, shard) in enumerate(wanted.items()):
            if name not in there:
                self._make(build, shard, name)
            on_shard(number + 1, len(wanted))
        for name in there - set(wanted):
            self._folder.remove(name)
        return [self.path(name) for name in wanted]

    def _make(self, build: BuildFiles, shard: str, name: str) -> None:
        if shard == _REJECTED:
            with build.folder.open(f"{PLAN.name}/{_REJECTED}.parquet") as file:
                table = rejected_rows(as_rejected(read_parquet(file)))
        else:
            table = shard_rows(build, shard)
        self.write(name, table)

    def write(self, name: str, table: pa.Table) -> None:
        """Keep a table under a name; it appears whole, whoever else makes the same one."""
        with self._folder.write(name, durable=False) as file:
            pq.write_table(table, file, compression="zstd", row_group_size=50_000)

    def cached(self, name: str, make: Callable[[], pa.Table]) -> pa.Table:
        """The table of that name; it is made if it is not there."""
        if self._folder.size(name) is None:
            self.write(name, make())
        with self._folder.open(name) as file:
            return read_parquet(file)

    def forget(self, prefix: str, but: str) -> None:
        """Remove older tables whose names begin so."""
        for name in self._folder.names():
            if name.startswith(prefix) and name != but:
                self._folder.remove(name)


def digest_of(build: BuildFiles, stages: Sequence[str]) -> str:
    """Of the tables that some stages have committed for all shards."""
    digest = hashlib.sha256(str(_VERSION).encode())
    for shard in build.planned:
        for stage in stages:
            record = build.record(stage, shard)
            output = record.outputs.get(f"{shard}.parquet") if record else None
            digest.update(f"{output.sha256 if output else ''}\n".encode())
    return digest.hexdigest()[:24]


def _name(build: BuildFiles, shard: str) -> str:
    """The file of a shard, after the digests of the tables that it is made from."""
    digest = hashlib.sha256(str(_VERSION).encode())
    for stage in STAGES if shard != _REJECTED else (PLAN.name,):
        record = build.record(stage, ALL if shard == _REJECTED else shard)
        output = record.outputs.get(f"{shard}.parquet") if record else None
        digest.update(f"{stage} {output.sha256 if output else ''}\n".encode())
    return f"{shard}-{digest.hexdigest()[:24]}.parquet"
