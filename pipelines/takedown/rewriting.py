"""Rewriting files and commit records of a build folder."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.takedown.matching import TakenRows
from pipelines.takedown.staged import StagedChanges
from webbody.build_records import BuildRecords, given_inputs
from webbody.commit import ALL, Output, Record, input_digests, record_name
from webbody.parquet_tables import read_parquet
from webbody.shards import TarWriter, located_members
from webbody.storage import Folder

#: Of a tar that was written anew: where each member lay, and where it lies now.
Moves = dict[int, int]


class Rewriting:
    """What becomes of a build folder without some rows; `changes` holds it until it is carried out.

    new: records as they will be, None for those that will not be there. moves: of each tar that was
    written anew, by its stage and shard.
    """

    def __init__(self, folder: Folder, taken: TakenRows) -> None:
        self.folder, self.taken = folder, taken
        self.records = BuildRecords(folder)
        #: build.json as it will be.
        self.build = dict(self.records.build)
        self.changes = StagedChanges(folder)
        self.new: dict[tuple[str, str], Record | None] = {}
        self.moves: dict[str, Moves] = {}

    def record(self, stage: str, shard: str) -> Record | None:
        """The present record; None if there is no valid one."""
        if (stage, shard) in self.new:
            return self.new[stage, shard]
        return self.records.get(stage, shard)

    def keep(self, record: Record, outputs: Mapping[str, Output | None], **counts: int) -> None:
        """Note a record's new outputs; an output that is None is removed."""
        present = {**record.outputs, **outputs}
        self.new[record.stage, record.shard] = replace(
            record,
            outputs={name: output for name, output in present.items() if output is not None},
            counts={**record.counts, **counts},
        )
        for name, output in outputs.items():
            if output is None:
                self.changes.remove(f"{record.stage}/{name}")

    def table(self, name: str) -> pa.Table:
        with self.folder.open(name) as file:
            return read_parquet(file)

    def write(self, name: str, table: pa.Table) -> Output:
        """Write a table as the stages do."""
        sink = pa.BufferOutputStream()
        pq.write_table(table.combine_chunks(), sink, compression="zstd")
        data = sink.getvalue().to_pybytes()
        self.changes.write_bytes(name, data)
        return Output(hashlib.sha256(data).hexdigest(), len(data))

    def cut_tar(self, name: str, keep: Callable[[str, int], bool]) -> Output:
        """Write a tar without some members, by name and offset; notes where the others lie."""
        moves: Moves = {}
        with self.changes.write(f"{name}.tar") as file, self.folder.open(f"{name}.tar") as source:
            writer = TarWriter(file)
            for member, offset, data in located_members(source):
                if keep(member, offset):
                    moves[offset], _ = writer.add(member, data)
            writer.close()
            size = file.tell()
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
        self.moves[name] = moves
        return Output(digest, size)

    def drop(self, stage: str, shard: str) -> None:
        """Remove files without a valid record: they may contain removed samples."""
        for name in self.folder.names(stage):
            if name.split(".")[0] == shard:
                self.changes.remove(f"{stage}/{name}")

    def write_records(self) -> None:
        """Write the records, each with the present digests of what it was made from."""
        stages: dict[str, Any] = self.records.build.get("stages", {})
        global_stages = {name for name, requested in stages.items() if requested["is_global"]}
        shards = self.records.shards
        for stage in _in_order(stages):
            requested = stages[stage]
            names: tuple[str, ...] = shards
            if requested["is_global"]:
                names = (ALL,)
            elif stage == "pack":
                names = self.records.packs or ()
            for shard in names:
                record = self.record(stage, shard)
                if record is None:
                    continue
                inputs = dict(record.inputs)
                if stage != "plan":
                    read = [
                        one
                        for one in (shards if shard == ALL else ())
                        if all(
                            self.record(need, one)
                            for need in requested["needs"]
                            if need not in global_stages
                        )
                    ]
                    found = input_digests(
                        requested["needs"],
                        global_stages,
                        shard,
                        read,
                        lambda need, one: self.record(need, ALL if need in global_stages else one),
                    )
                    if found is not None:
                        inputs = found | given_inputs(stage, self.build)
                if inputs != record.inputs or (stage, shard) in self.new:
                    record = replace(record, inputs=inputs)
                    self.new[stage, shard] = record
                    self.changes.write_bytes(record_name(stage, shard), record.to_json())


def _in_order(stages: Mapping[str, Any]) -> list[str]:
    """The stages so that each comes after those that it reads."""
    done: list[str] = []
    left = sorted(stages)
    while left:
        ready = [name for name in left if set(stages[name]["needs"]) <= set(done)]
        done += ready
        left = [name for name in left if name not in ready]
        if not ready:
            raise RuntimeError("the stages read each other in a circle")
    return done
