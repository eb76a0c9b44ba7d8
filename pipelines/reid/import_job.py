"""The import of one data set into its folder: plan, pack, index; matching shards are kept."""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from model.evaluation.readers.image_table import root_of
from model.shard_index import INDEX
from pipelines.base.stage import ALL, Stage, run_shard
from pipelines.base.tally import Report
from pipelines.detection.subject import Finder
from pipelines.reid.pack import TRAIN, PackImport
from pipelines.reid.plan import ImportPlanSettings, PlanImport
from webbody import __version__
from webbody.build_records import BUILD_FILE
from webbody.checked_json import checked_json
from webbody.commit import Record, fingerprint, intact, read_record
from webbody.config import BuildConfig
from webbody.errors import WebbodyError
from webbody.parquet_tables import read_parquet
from webbody.storage import Folder

#: The state file of an import, by which readers recognise an unfinished one.
IMPORT_FILE = "import.json"
_INDEX = f"pack/{INDEX}"
#: Called with data set, shard, and counts of images since the last time.
Progress = Callable[[str, str, Mapping[str, int]], None]


@dataclass(frozen=True)
class Imported:
    """Summary of an import.

    images, people: found on the disk. taken: images of the selected people. samples, sample_people:
    in the shards; single: people with one sample. outcomes: of the images left out. new: shards
    packed by this run.
    """

    name: str
    out: str
    images: int
    people: int
    taken: int
    samples: int
    sample_people: int
    single: int
    shards: int
    new: int
    outcomes: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class ImportJob:
    """The import of one data set into its folder.

    path: of the data set. finder_settings, pack_settings: what decides on keypoints and on samples,
    with the models' digests.
    """

    name: str
    path: str
    folder: Folder
    config: BuildConfig
    finder_settings: Mapping[str, object]
    pack_settings: Mapping[str, object]
    finder: Finder

    def run(self, table: pa.Table, taken: pa.Table, progress: Progress) -> Imported:
        """table: the training part (`image_table`); taken: those of its images that are imported.

        Raises WebbodyError for a folder that holds a build.
        """
        if self.folder.size(BUILD_FILE) is not None:
            raise WebbodyError(f"{self.folder.url} holds a build: give another --out.")
        state = {"dataset": self.name, "path": self.path, "code": __version__}
        self.folder.write_bytes(IMPORT_FILE, checked_json(state))
        plan = self._plan(taken, partial(progress, self.name, "plan"))
        shards = sorted(name.split(".")[0] for name in plan.outputs if name.startswith(TRAIN))
        stage = self._pack_stage(root_of(taken))
        made_with = fingerprint(
            {**self.finder_settings, **self.pack_settings, "source": self.name},
            stage.version,
        )
        records, new = [], 0
        for shard in shards:
            file = f"{shard}.parquet"
            inputs = {f"{plan.stage}/{file}": plan.outputs[file].sha256}
            report = partial(progress, self.name, shard)
            record, made = self._committed(stage, shard, made_with, inputs, report)
            records.append(record)
            new += made
        self._remove_older(shards)
        people = self._people(shards)
        self._index(records, len(people))
        outcomes = Counter(self._left_out())
        for record in records:
            outcomes.update({k: n for k, n in record.counts.items() if k.startswith("image:")})
        return Imported(
            self.name,
            self.folder.url,
            len(table),
            len(np.unique(table["person"].to_numpy())),
            len(taken),
            people.total(),
            len(people),
            sum(count == 1 for count in people.values()),
            len(shards),
            new,
            outcomes,
        )

    def _plan(self, taken: pa.Table, report: Report) -> Record:
        split = self.config.split
        settings = ImportPlanSettings(
            seed=split.seed,
            samples_per_shard=split.samples_per_shard,
            max_pixels=self.config.download.max_pixels,
        )
        stage = PlanImport(settings, self.name, taken)
        made_with = fingerprint({**settings.model_dump(), "source": self.name}, stage.version)
        return self._committed(stage, ALL, made_with, {"images": listing_digest(taken)}, report)[0]

    def _pack_stage(self, root: str) -> PackImport:
        most = self.config.download.max_pixels
        use = self.config.resources.worker(PackImport.name)
        return PackImport(self.config.pack, use, self.name, Path(root), self.finder, most)

    def _committed(
        self,
        stage: Stage[Any],
        shard: str,
        made_with: str,
        inputs: Mapping[str, str],
        report: Report,
    ) -> tuple[Record, bool]:
        """The record of a shard, and whether this run made it."""
        record = read_record(self.folder, stage.name, shard)
        if record and record.matches(made_with, inputs) and intact(self.folder, record):
            return record, False
        self.folder.remove(_INDEX)
        return run_shard(stage, self.folder, shard, made_with, inputs, report=report), True

    def _remove_older(self, shards: Sequence[str]) -> None:
        """Remove shards of an earlier import of other images."""
        for stage in ("plan", "pack"):
            for file in self.folder.names(stage):
                if file.startswith(TRAIN) and file.split(".")[0] not in shards:
                    self.folder.remove(_INDEX)
                    self.folder.remove(f"{stage}/{file}")

    def _people(self, shards: Sequence[str]) -> Counter[int]:
        """The samples of each person."""
        people: Counter[int] = Counter()
        for shard in shards:
            with self.folder.open(f"pack/{shard}.parquet") as file:
                people.update(read_parquet(file, columns=["person"])["person"].to_pylist())
        return people

    def _left_out(self) -> list[str]:
        with self.folder.open("plan/left-out.parquet") as file:
            outcomes: list[str] = read_parquet(file, columns=["outcome"])["outcome"].to_pylist()
        return outcomes

    def _index(self, records: Sequence[Record], people: int) -> None:
        """Write the index, after everything else."""
        index = index_of_import(records, people)
        if index is not None and self.folder.size(_INDEX) is None:
            self.folder.write_bytes(_INDEX, index)


def index_of_import(records: Sequence[Record], people: int) -> bytes | None:
    """The index of the shards' records; None without samples.

    people: of all shards. A shard that holds nothing is not in it.
    """
    shards: list[dict[str, Any]] = []
    for record in records:
        tar, counts = record.outputs[f"{record.shard}.tar"], record.counts
        if counts["out"]:
            entry = {"name": f"{record.shard}.tar", "samples": counts["out"]}
            entry |= {"people": counts["people"], "bytes": tar.bytes, "sha256": tar.sha256}
            shards.append(entry)
    if not shards:
        return None
    split: dict[str, Any] = {"people": people, "shards": shards}
    split |= {key: sum(shard[key] for shard in shards) for key in ("samples", "bytes")}
    index = {"format": "webdataset", "splits": {TRAIN: split}}
    return (json.dumps(index, indent=1, sort_keys=True) + "\n").encode()


def listing_digest(table: pa.Table) -> str:
    """A digest of images, their people and the states of their files."""
    digest = hashlib.sha256()
    root = Path(root_of(table))
    columns = (table["image"].to_pylist(), table["person"].to_pylist())
    for image, person in zip(*columns, strict=True):
        try:
            about = os.stat(root / image)
            state = f"{about.st_size}\t{about.st_mtime_ns}"
        except OSError:
            state = "gone"  # planning tells it
        digest.update(f"{image}\t{person}\t{state}\n".encode())
    return digest.hexdigest()
