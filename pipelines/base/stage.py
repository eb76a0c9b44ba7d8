"""What all stages share: reading committed inputs, writing outputs, committing.

A stage loads its models in its constructor and maps one shard to one shard in `process`. Ray,
retries, temporary files and records are handled by `run_shard` below, not by stages.
"""

import hashlib
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO, Any, ClassVar, Generic, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.base.custom_filter import CustomFilters
from pipelines.base.tally import PhotoTally, Report
from webbody import __version__
from webbody.commit import ALL as ALL
from webbody.commit import Output, Record, Records, read_once, record_name
from webbody.config import WORKER, Section, WorkerResources
from webbody.disk_room import STEP, DiskRoom
from webbody.errors import WebbodyError
from webbody.parquet_tables import read_parquet
from webbody.pending import Pending
from webbody.shards import MemberReader, TarWriter, read_members
from webbody.storage import Folder
from webbody.storage_errors import room_errors

Settings = TypeVar("Settings", bound=Section)
#: Takes a sentence.
Note = Callable[[str], None]


class Inputs:
    """The committed outputs that a stage reads for one shard."""

    def __init__(self, folder: Folder, shard: str, shards: Sequence[str] = ()) -> None:
        self.folder = folder
        self.shard = shard
        self.shards = tuple(shards)  # every shard of the build; only global stages look at it

    def table(
        self, stage: str, shard: str | None = None, columns: list[str] | None = None
    ) -> pa.Table:
        """The table of a stage, of this shard or of another one."""
        with self.folder.open(f"{stage}/{shard or self.shard}.parquet") as file:
            return read_parquet(file, columns=columns)

    def members(self, stage: str) -> Iterator[tuple[str, bytes]]:
        """Name and bytes of each member of a stage's tar, in order, one at a time."""
        with self.folder.open(f"{stage}/{self.shard}.tar") as file:
            yield from read_members(file)

    def has_images(self, stage: str) -> bool:
        """Whether a stage's tar is there: it may have been let go."""
        return self.folder.size(f"{stage}/{self.shard}.tar") is not None

    def random_access(self, stage: str, shard: str | None = None) -> MemberReader:
        """A stage's tar for reading by offset and length; use it in a `with`."""
        return MemberReader(self.folder, f"{stage}/{shard or self.shard}.tar")


class Outputs:
    """The outputs of a stage. Files get their final names after `process` has returned."""

    def __init__(
        self,
        folder: Folder,
        stage: str,
        shard: str,
        report: Report | None = None,
        note: Note = lambda text: None,
        recreate_evicted: bool = False,
        room: DiskRoom | None = None,
    ) -> None:
        self._folder, self._stage, self.shard = folder, stage, shard
        self._room = room
        #: Whether every output must be there at the end, also those that were evicted.
        self.recreate_evicted = recreate_evicted
        #: Takes a sentence for whoever watches the build.
        self.note = note
        #: Where the stage notes what became of each photo while it works.
        self.tally = PhotoTally(report)
        #: The earlier record whose outputs stay, where the stage found that they would be the same.
        self.kept: Record | None = None
        self._files: dict[str, _Digesting] = {}
        self._tars: list[TarWriter] = []

    def file(self, name: str) -> IO[bytes]:
        """A file of this stage by its full name, written front to back."""
        if name in self._files:
            raise ValueError(f"{self._stage} writes {name} twice")
        self._files[name] = _Digesting(self._folder.begin(f"{self._stage}/{name}"), self._room)
        return self._files[name]  # type: ignore[return-value]  # write-only view of a file

    def table(self, table: pa.Table, name: str | None = None) -> None:
        """Write a table as `<shard>.parquet` (or `name`); equal content gives equal bytes."""
        name = name or f"{self.shard}.parquet"
        pq.write_table(table, self.file(name), compression="zstd")
        self._files[name].seal()

    def tar(self) -> TarWriter:
        """The stage's `<shard>.tar`, closed by the runner."""
        writer = TarWriter(self.file(f"{self.shard}.tar"))
        self._tars.append(writer)
        return writer

    def keep(self, record: Record) -> dict[str, int]:
        """Keep the outputs of an earlier record, which would be written again; its counts."""
        self.kept = record
        return record.counts

    def seal(self) -> dict[str, Output]:
        """Flush everything to the disk; digests and sizes by name."""
        if self.kept is not None:
            return self.kept.outputs
        for tar in self._tars:
            tar.close()
        for file in self._files.values():
            file.seal()
        return {
            name: Output(file.digest.hexdigest(), file.count) for name, file in self._files.items()
        }

    def publish(self) -> None:
        """Give every file its name."""
        for file in self._files.values():
            file.pending.publish()

    def discard(self) -> None:
        """Remove what was written and not published."""
        for file in self._files.values():
            file.pending.discard()


class _Digesting:
    """A write-only file that computes the sha256 of what is written, while there is `room`."""

    def __init__(self, pending: Pending, room: DiskRoom | None = None) -> None:
        self.pending = pending
        self._room, self._looked = room, 0
        self.digest = hashlib.sha256()
        self.count = 0
        self.closed = False
        self._sealed = False

    def write(self, data: Any) -> int:
        self.digest.update(data)
        self.count += memoryview(data).nbytes
        if self._room is not None and self.count - self._looked >= STEP:
            self._room.check()
            self._looked = self.count
        return self.pending.file.write(data)

    def tell(self) -> int:
        return self.count

    def flush(self) -> None:
        self.pending.file.flush()

    def seal(self) -> None:
        if not self._sealed:
            self.pending.seal()
            self._sealed = True

    def close(self) -> None:
        """Do nothing: the runner closes the file when it commits."""

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False


class Stage(ABC, Generic[Settings]):
    """One step of the build: maps the committed inputs of a shard to outputs.

    Class attributes: `name` is the folder of its outputs; `needs` are the stages whose outputs it
    reads; `version` is raised when its behaviour changes, so that old shards are redone. The
    constructor takes the stage's section of the configuration, which decides its output and is
    fingerprinted, and what a worker may use, which decides nothing but speed. The user's `filters`
    are asked by the stages that have the images; for them `filters_need` are read besides. `drop`
    are the flags that drop a crop, for the one stage that asks (`clusters`).
    """

    name: ClassVar[str]
    needs: ClassVar[tuple[str, ...]]
    version: ClassVar[int] = 1
    filters_need: ClassVar[tuple[str, ...]] = ()

    def __init__(self, settings: Settings, resources: WorkerResources = WORKER) -> None:
        self.settings = settings
        self.resources = resources
        self.filters = CustomFilters(())
        #: What people said about pictures, for the stage that decides who is who.
        self.corrections: Sequence[Any] = ()
        self.drop: tuple[str, ...] = ()

    def share_hosts(self, places: Any) -> None:
        """Share the connections to web hosts with other workers (SharedPlaces).

        Stages without network access ignore it.
        """

    @abstractmethod
    def process(self, inputs: Inputs, outputs: Outputs) -> Mapping[str, int]:
        """Work on one shard; returns counts (at least `in` and `out`) for the record.

        A bad image or person must not raise: it gets a row with its outcome. An exception fails the
        shard, which is reported and can be retried.
        """


def run_shard(
    stage: Stage[Any],
    folder: Folder,
    shard: str,
    fingerprint: str,
    inputs: Mapping[str, str],
    shards: Sequence[str] = (),
    report: Report | None = None,
    note: Note = lambda text: None,
    recreate_evicted: bool = False,
    room: DiskRoom | None = None,
) -> Record:
    """Process one shard and commit it; raises whatever the stage raised, leaving no output.

    report: gets the counts of the stage's tally while it works, note: what whoever watches must
    know. recreate_evicted: outputs that were evicted are made again, too. room: is waited for, and
    watched.
    """
    started = time.perf_counter()
    if room is not None:
        room.wait(note)
    outputs = Outputs(folder, stage.name, shard, report, note, recreate_evicted, room)
    try:
        # Errors of the folder's own files name their path; all other writes are to temporary files.
        with room_errors(tempfile.gettempdir()):
            counts = stage.process(Inputs(folder, shard, shards), outputs)
        outputs.tally.finish()
        written = outputs.seal()
        if outputs.kept is None:
            # A record of older settings must not be valid for the new files while they are renamed.
            folder.remove(record_name(stage.name, shard))
            outputs.publish()
    except BaseException:
        outputs.discard()
        raise
    record = Record(
        stage=stage.name,
        shard=shard,
        fingerprint=fingerprint,
        inputs=dict(inputs),
        outputs=written,
        counts={key: int(value) for key, value in counts.items()},
        seconds=round(time.perf_counter() - started, 3),
        code=__version__,
        evicted=outputs.kept.evicted if outputs.kept else (),
    )
    folder.write_bytes(record_name(stage.name, shard), record.to_json())
    if room is not None:
        room.wrote(sum(output.bytes for output in written.values()))
    return record


def committed(folder: Folder, stage: str, shard: str, known: Records | None = None) -> Record:
    """The record of a shard, read if it is not `known`; WebbodyError if it is missing."""
    record = read_once(folder, {} if known is None else known, stage, shard)
    if record is None:
        raise WebbodyError(
            f"{folder.path(record_name(stage, shard))} is missing or unreadable: "
            "run `webbody build` again to complete this folder."
        )
    return record
