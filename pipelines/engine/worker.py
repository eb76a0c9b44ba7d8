"""The part of a build that runs inside a Ray worker: one stage, shard after shard."""

import os
import secrets
import time
import traceback
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from pipelines.base.stage import ALL, Stage, run_shard
from pipelines.engine.graph import StageTask, input_digests, is_done
from pipelines.engine.rows import Row
from pipelines.fetching.place_book import PlaceBook, Share
from pipelines.monitoring.gpus import GpuWatch
from webbody.commit import Record, Records, read_record
from webbody.disk_room import DiskRoom
from webbody.errors import WebbodyError
from webbody.libraries import refuse_unsafe
from webbody.storage import Folder
from webbody.storage_errors import UnreadableFile

_NEWS_SECONDS = 30.0


@dataclass
class Event:
    """What a worker tells the driver: a shard of a stage started, is done, skipped or failed.

    While a shard runs, `progress` has the counts of photos that were decided since the last one,
    and `gpu` the state of a GPU, whose id is its message. `started` counts the `tries` before,
    `done` has the bytes that were written. The driver itself adds `queued`, `warning` and `note`.
    """

    stage: str
    shard: str
    kind: str
    counts: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    message: str = ""
    bytes: int = 0


def limit_threads(threads: int) -> None:
    """Keep the libraries in this process from starting a thread per core.

    Torch, BLAS and Arrow read the variable when they are imported; OpenCV wants to be told.
    """
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(threads)
    import cv2

    cv2.setNumThreads(threads)


class Worker:
    """Runs one stage on the shards that pass by; loads its models at the first one that needs it.

    A shard that failed passes through untouched, so that it fails alone. Ray starts a worker that
    died again and gives it the same shard for ever; after `retries` further tries the shard counts
    as failed.
    """

    def __init__(
        self,
        task: StageTask,
        folder: str,
        shards: tuple[str, ...],
        state: Any = None,
        retries: int = 0,
    ) -> None:
        self._task, self._folder, self._shards = task, Folder(folder), shards
        self._state, self._retries = state, retries
        self._stage: Stage[Any] | None = None
        out = self._folder.root if self._folder.local else None
        self._room = DiskRoom.of(out, task.resources.free_disk)
        self._inputs: dict[str, str] | None = None  # of the shard that it works on
        self._whole: Records = {}  # of stages that run once: large, and fixed while this runs
        self._gpus = GpuWatch()

    def __call__(self, row: Row) -> Row:
        name, shard = self._task.node.name, row["shard"]
        if row["failed"]:
            return row
        forced = name in row["force"]
        asked = forced or name in row["again"]
        self._inputs = None
        try:
            if not asked and is_done(
                self._folder, self._task, shard, self._shards, self._records()
            ):
                self._emit(Event(name, shard, "skipped"))
                return row
            tries = self._tries(shard)
            if tries > self._retries:
                raise WebbodyError(
                    f"its worker process died {self._retries + 1} times (out of memory?); "
                    f"give it more room or lower resources.{name}.batch."
                )
            self._emit(Event(name, shard, "started", {"tries": tries} if tries else {}))
            started = time.perf_counter()
            record = self.run(shard, forced)
            seconds = time.perf_counter() - started
            self._emit(Event(name, shard, "done", record.counts, seconds, bytes=record.size))
        except Exception as error:  # a bad shard never fails the build: it is reported and retried
            damaged = self._damaged_input()
            plain = damaged is not None or isinstance(error, WebbodyError)
            message = damaged or (str(error) if plain else f"{type(error).__name__}: {error}")
            trace = "" if plain else traceback.format_exc()
            self._emit(
                Event(name, shard, "failed", message=message + ("\n" + trace if trace else ""))
            )
            return {**row, "failed": name, "message": message}
        return row

    def run(self, shard: str, forced: bool = False) -> Record:
        """Process and commit one shard. forced: also what was evicted is made again."""
        inputs = input_digests(self._folder, self._task, shard, self._shards, self._records())
        if inputs is None:
            raise WebbodyError(
                f"the stages before {self._task.node.name} have not committed {shard}."
            )
        self._inputs = inputs
        if self._stage is None:
            refuse_unsafe()  # another machine of the cluster may have other libraries
            node = self._task.node
            limit_threads(1 if node.io_bound else self._task.resources.threads)
            self._stage = self._task.make()
            if self._state is not None:
                self._stage.share_hosts(_StatePlaces(self._state))
        name = self._task.node.name

        def report(counts: Mapping[str, int]) -> None:
            self._emit(Event(name, shard, "progress", dict(counts)))
            for gpu, state in self._gpus.due():
                self._emit(Event(name, shard, "gpu", state, message=gpu))

        def note(text: str) -> None:
            self._emit(Event(name, shard, "note", message=text))

        return run_shard(
            self._stage,
            self._folder,
            shard,
            self._task.fingerprint,
            inputs,
            self._shards,
            report,
            note,
            forced,
            self._room,
        )

    def _damaged_input(self) -> str | None:
        """After a failure: a sentence where a file that was read is not what was committed."""
        if self._inputs is None:
            return None
        for name, digest in self._inputs.items():
            try:
                found = self._folder.sha256(name)
            except FileNotFoundError:
                continue  # evicted, or told by the stage
            except UnreadableFile as error:
                return str(error)
            if found != digest:
                return (
                    f"{self._folder.path(name)} was damaged after it was committed; "
                    f"`webbody verify --repair {self._folder.url}` makes it again."
                )
        return None

    def _records(self) -> Records:
        """A fresh cache of records that starts with those of stages that run once."""
        if not self._whole:
            for need in self._task.global_needs & set(self._task.needs):
                self._whole[need, ALL] = read_record(self._folder, need, ALL)
        return dict(self._whole)

    def _tries(self, shard: str) -> int:
        """How often this stage began this shard before, in this run."""
        if self._state is None:
            return 0
        import ray

        try:
            tries: int = ray.get(self._state.begin.remote(self._task.node.name, shard))
        except ray.exceptions.RayActorError:  # it is being started again, and forgot
            return 0
        return tries

    def _emit(self, event: Event) -> None:
        if self._state is None:
            return
        sent = self._state.emit.remote(event)
        if event.kind in ("done", "failed"):
            import ray

            # Its news come home before the shard does, after which nobody asks for them.
            with suppress(ray.exceptions.RayError):
                ray.get(sent, timeout=_NEWS_SECONDS)


class _StatePlaces:
    """This worker's places at web hosts, of which the shared state keeps account (SharedPlaces)."""

    def __init__(self, state: Any) -> None:
        self._state, self._worker = state, secrets.token_hex(8)

    def ask(self, host: str, in_use: int, wanted: int, most: int) -> Share:
        import ray

        try:
            call = self._state.share.remote(host, self._worker, in_use, wanted, most)
            share: Share = ray.get(call)
        except ray.exceptions.RayActorError:  # it is being started again
            return Share(in_use, 2)
        return share

    def leave(self, hosts: list[str]) -> None:
        self._state.leave.remote(hosts, self._worker)


class SharedState:
    """What all workers share (a Ray actor): events, tries of shards, places at web hosts.

    The driver takes the events in batches. ray.util.queue would be a second actor, as what workers
    ask is answered here.
    """

    def __init__(self) -> None:
        self._book = PlaceBook()
        self._events: list[Event] = []
        self._begun: Counter[tuple[str, str]] = Counter()

    def begin(self, stage: str, shard: str) -> int:
        """Note that a worker begins a shard; how often one did before."""
        self._begun[stage, shard] += 1
        return self._begun[stage, shard] - 1

    def share(self, host: str, worker: str, in_use: int, wanted: int, most: int) -> Share:
        """A worker's share of a web host."""
        return self._book.share(host, worker, in_use, wanted, most)

    def leave(self, hosts: list[str], worker: str) -> None:
        """A worker uses these web hosts no more."""
        self._book.leave(hosts, worker)

    def emit(self, event: Event) -> None:
        self._events.append(event)

    def take(self) -> list[Event]:
        events, self._events = self._events, []
        return events
