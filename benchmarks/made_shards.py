"""A finished build of very many shards, made without running their stages.

All its records are there, and hardly any data: to see what a build costs that has nothing to do.
"""

import io
from pathlib import Path
from unittest.mock import patch

import pyarrow as pa
import pyarrow.parquet as pq

import pipelines.build
from pipelines.base.stage import ALL
from pipelines.engine.executor import Assignment, OnEvent, Stages
from pipelines.engine.graph import StageTask, input_digests
from pipelines.engine.in_process import InProcess
from pipelines.engine.rows import Row, row_of
from pipelines.engine.worker import Event
from pipelines.stages.split import PEOPLE
from webbody.cli.people import demo_models
from webbody.commit import Output, Record, Records
from webbody.config import BuildConfig, load
from webbody.storage import Folder


def config_of(manifest: Path, out: str) -> BuildConfig:
    """A build with the demo's models, a name a shard."""
    base = demo_models() | {"manifest": str(manifest), "out": out}
    return load(None, ("plan.rows_per_shard=1",), base=base)


def write_list(path: Path, names: int) -> Path:
    """Addresses of this machine, which are refused before anything is asked."""
    rows = (f"http://127.0.0.1/{n:06d}.jpg,person {n:06d}\n" for n in range(names))
    path.write_text("url,name\n" + "".join(rows), encoding="utf-8")
    return path


def made_build(shards: int, folder: Path) -> BuildConfig:
    """A finished build in `folder`/build of about so many shards, a name each; its settings."""
    # Of the names, each a row, about three of four begin a shard.
    manifest = write_list(folder / "list.csv", shards * 4 // 3)
    config = config_of(manifest, str(folder / "build"))
    made = "pipelines.build.start_executor", lambda resources, on_event: _MadeShards(resources)
    # Minutes, and nothing that is made here must last.
    with patch(*made), patch("os.fsync", lambda handle: None):
        pipelines.build.build(config)
    return config


class _MadeShards(InProcess):
    """Commits small files for every shard, without running a stage and without flushing them."""

    def run_chain(self, stages: Stages, rows: list[Row], out: str, on_event: OnEvent) -> list[Row]:
        """Commit a file for each row and stage."""
        self._known: Records = getattr(self, "_known", {})
        for task, _ in stages:
            for row in rows:
                shard = row["shard"]
                counts = {"in": 1, "out": 0}
                if task.node.name == "ledger":
                    table = pq.read_metadata(f"{out}/plan/{shard}.parquet")
                    counts = {"in": table.num_rows, "out": 0, "download:status": table.num_rows}
                self._commit(Folder(out), task, shard, (), counts)
                on_event(Event(task.node.name, shard, "done", counts))
        return rows

    def run_once(
        self, stage: Assignment, out: str, shards: tuple[str, ...], on_event: OnEvent
    ) -> Row:
        """Commit a file for each shard."""
        self._commit(Folder(out), stage[0], ALL, shards, {"in": 1, "out": 0})
        on_event(Event(stage[0].node.name, ALL, "done", {"in": 1, "out": 0}))
        return row_of(ALL)

    def problems(self, stages: Stages) -> dict[str, str]:
        """Nothing is loaded."""
        return {}

    def _commit(
        self,
        folder: Folder,
        task: StageTask,
        shard: str,
        shards: tuple[str, ...],
        counts: dict[str, int],
    ) -> None:
        stage = task.node.name
        place = Path(folder.path(stage))
        place.mkdir(exist_ok=True)
        inputs = input_digests(folder, task, shard, shards, self._known) or {}
        files = {f"{shard}.parquet": b"1"}
        if stage == "identities":
            files = {f"{name}.parquet": b"1" for name in shards}
        if stage == "split":
            files = {"people.parquet": _empty(PEOPLE)}
        outputs = {}
        for name, data in files.items():
            (place / name).write_bytes(data)
            outputs[name] = Output("0" * 64, len(data))
        record = Record(stage, shard, task.fingerprint, inputs, outputs, counts)
        (place / f"{shard}.json").write_bytes(record.to_json())
        self._known[stage, shard] = record


def _empty(schema: pa.Schema) -> bytes:
    """A table without rows."""
    file = io.BytesIO()
    pq.write_table(schema.empty_table(), file)
    return file.getvalue()
