"""A build as it is looked at: its records at one moment, and the index made from them.

A build that runs, a takedown or a correction changes the folder below; then the next page is of a
new moment, and what has not changed is not made again.
"""

import os
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import cached_property
from typing import Any

import pyarrow as pa

from pipelines.base.stage import ALL
from pipelines.corrections.journal import FOLDER as CORRECTIONS
from pipelines.corrections.lookup import BuildLookup
from pipelines.corrections.review.state import ReviewState
from pipelines.corrections.review.units import all_units
from pipelines.engine.build_files import BuildFiles
from pipelines.engine.graph import SPLIT
from pipelines.inspection.damage import damage_told
from pipelines.inspection.report import funnel
from pipelines.inspection.status import Status, status_of
from pipelines.viewer.index.database import IndexDatabase
from pipelines.viewer.index.marks import Marks, corrections_stamp, located_in, read_marks
from pipelines.viewer.index.people import PeopleCentres, people_centres
from pipelines.viewer.index.store import IndexStore, digest_of
from webbody.build_records import BUILD_FILE
from webbody.errors import WebbodyError
from webbody.parquet_tables import read_parquet
from webbody.scratch import scratch_folder
from webbody.storage import Folder
from webbody.view_cache import VIEW_CACHE

#: Seconds between two looks at a folder in a store, where a look reads every record.
_REMOTE_LOOK = 60.0
#: Folders whose changes make no page another one; corrections are looked at by themselves.
_NO_STAGES = (VIEW_CACHE, CORRECTIONS)
_UNITS = "units-"
_SPLIT_OF = pa.schema([("person", pa.int64()), ("split", pa.string())])


class NotInBuild(WebbodyError):
    """What an address asks for is not in the build."""


OnShard = Callable[[int, int], None]


class ViewedBuild:
    """One moment of a build: nothing in it changes but what is said of it."""

    def __init__(self, build: BuildFiles, database: IndexDatabase, store: IndexStore) -> None:
        self.build, self.database, self.store = build, database, store
        #: Answers that cost much and stay right, for pages that are asked for again.
        self.kept: dict[str, Any] = {}
        self._missing: dict[tuple[str, str], str] = {}  # why a shard's tar is
        self._making = threading.Lock()
        self._people: PeopleCentres | None = None
        self._review: tuple[object, ReviewState] | None = None
        self._marks: tuple[object, Marks] | None = None

    @cached_property
    def funnel(self) -> funnel.Funnel:
        return funnel.funnel(self.build)

    @cached_property
    def state(self) -> Status:
        return status_of(self.build.records)

    @property
    def review(self) -> ReviewState:
        """What to look at first, with what was judged so far.

        Raises WebbodyError where the build knows no people, or a correction cannot be read.
        """
        stamp = corrections_stamp(self.build.folder)
        with self._making:
            if self._review is None or self._review[0] != stamp:
                lookup = BuildLookup(self.build.folder.url)
                state = ReviewState.of_units(
                    lookup,
                    self.store.cached(self._units_name(), lambda: self._units(lookup)),
                    lambda references: located_in(self.build, self.database, references),
                )
                self._review = stamp, state
            return self._review[1]

    def _units(self, lookup: BuildLookup) -> pa.Table:
        self.store.forget(_UNITS, but=self._units_name())
        return all_units(lookup.columns, self.build.planned)

    def _units_name(self) -> str:
        return f"{_UNITS}{digest_of(self.build, ('download', 'faces', 'clusters', 'identities'))}"

    @property
    def people(self) -> PeopleCentres:
        """Everybody's centre, made once for these features and labels; others wait for it."""
        with self._making:
            if self._people is None:
                self._people = people_centres(self.build, self.store)
            return self._people

    @cached_property
    def people_list(self) -> pa.Table:
        """Everybody who is kept: person, images, names (how many), lowest similarity, split."""
        return self.database.table(
            "SELECT person, count(*) AS images, count(DISTINCT name) AS names, "
            "min(similarity) AS lowest, any_value(split) AS split FROM crops "
            "WHERE person IS NOT NULL AND outcome = 'kept' GROUP BY person ORDER BY person"
        )

    @property
    def marks(self) -> Marks:
        """What was said of its pictures so far: the only thing that may grow."""
        stamp = corrections_stamp(self.build.folder)
        if self._marks is None or self._marks[0] != stamp:
            self._marks = stamp, read_marks(self.build, self.database) if stamp else Marks()
        return self._marks[1]

    @property
    def settings(self) -> dict[str, Any]:
        return self.build.settings

    def has_images(self, stage: str, shard: str) -> str:
        """Nothing where the tar of a shard is there, else a word or two why not."""
        if (stage, shard) not in self._missing:
            self._missing[stage, shard] = self._why_missing(stage, shard)
        return self._missing[stage, shard]

    def _why_missing(self, stage: str, shard: str) -> str:
        record, tar = self.build.record(stage, shard), f"{shard}.tar"
        if record is None or tar not in record.outputs:
            return "no image"
        if tar in record.evicted:
            return "images let go"
        return "images deleted" if self.build.folder.size(f"{stage}/{tar}") is None else ""

    def table_of_all(self, stage: str, name: str, schema: pa.Schema) -> pa.Table | None:
        """A table of a global stage, such as identities/pairs.parquet."""
        return _table_of_all(self.build, stage, name, schema)


class WatchedBuild:
    """The present moment of a build folder; use it in a `with`.

    Args:
        out: The build folder, a path or a URL.
        on_shard: Called while the index is made, with the shards done and their number.
    """

    def __init__(self, out: str, on_shard: OnShard = lambda done, all: None) -> None:
        self._out, self._on_shard = out, on_shard
        self._lock = threading.Lock()
        self._stack = ExitStack()
        self._now: ViewedBuild | None = None
        self._stamp: object = None

    def __enter__(self) -> "WatchedBuild":
        with self._stack as stack:
            build = BuildFiles(self._out)
            self._store = stack.enter_context(IndexStore(build.folder))
            self._scratch = stack.enter_context(scratch_folder("view"))
            self.now()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def now(self, anew: bool = False) -> ViewedBuild:
        """The build as it is; read again where the folder has changed, or if asked to."""
        with self._lock:
            stamp = self._stamped()
            if self._now is None or anew or stamp != self._stamp:
                self._now = self._read()
                self._stamp = stamp
            return self._now

    def _read(self) -> ViewedBuild:
        build = BuildFiles(self._out)
        with damage_told(self._out):
            files = self._store.update(build, self._on_shard)
        self._on_shard = lambda done, all: None  # later changes are small
        split = _table_of_all(build, SPLIT.name, "people", _SPLIT_OF)
        return ViewedBuild(build, IndexDatabase(files, split, self._scratch), self._store)

    def _stamped(self) -> object:
        """Another value where records may have changed: each is renamed into its stage's folder."""
        folder = Folder(self._out)
        if not folder.local:
            return int(time.monotonic() / _REMOTE_LOOK)
        with suppress(OSError), os.scandir(folder.root) as entries:
            return sorted(
                (entry.name, entry.stat().st_mtime_ns)
                for entry in entries
                if entry.name == BUILD_FILE or (entry.is_dir() and entry.name not in _NO_STAGES)
            )
        return None


def _table_of_all(build: BuildFiles, stage: str, name: str, schema: pa.Schema) -> pa.Table | None:
    record = build.record(stage, ALL)
    if record is None or f"{name}.parquet" not in record.outputs:
        return None
    with suppress(FileNotFoundError), build.folder.open(f"{stage}/{name}.parquet") as file:
        return read_parquet(file, schema=schema)
    return None
