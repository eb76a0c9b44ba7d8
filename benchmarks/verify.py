"""`webbody verify` beside `sha256sum` over the same files, on as many cores.

    python -m benchmarks.verify [--shards 32] [--samples 500] [--rounds 5]

The folder is an import with shards of random pictures of 40 kB, with their tables and records. All
files are in the page cache; rounds take turns, the quickest of each counts, without the start of
Python. `sha256sum` gets a few files at a time from xargs, on every core; so does `openssl dgst`,
where it is installed, as not every `sha256sum` uses the processor's instructions for it.
"""

import argparse
import hashlib
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.figures import Figures, add_option
from pipelines.base.stage import ALL, Inputs, Outputs, Stage, run_shard
from pipelines.reid.import_job import IMPORT_FILE, index_of_import
from pipelines.stages.pack import INDEX, SCHEMA
from pipelines.verify.build import verify_import
from pipelines.verify.digests import cores
from webbody.checked_json import checked_json
from webbody.config import Section
from webbody.storage import Folder

_BYTES = 40_000


class MadePack(Stage[Section]):
    """Shards of random pictures, two of each person."""

    name = "pack"
    needs = ()

    def __init__(self, samples: int) -> None:
        super().__init__(Section())
        self._samples = samples

    def process(self, inputs: Inputs, outputs: Outputs) -> Mapping[str, int]:
        number = int(inputs.shard.partition("-")[2])
        rng = np.random.default_rng(number)
        tar, rows = outputs.tar(), []
        for place in range(self._samples):
            data, key = rng.bytes(_BYTES), f"{number * self._samples + place:020x}"
            offset, length = tar.add(f"{key}.jpg", data)
            values = (key, place // 2, "train", hashlib.sha256(data).hexdigest(), offset, length)
            rows.append(dict(zip(SCHEMA.names, values, strict=True)))
        outputs.table(pa.Table.from_pylist(rows, SCHEMA))
        return {"in": len(rows), "out": len(rows), "people": len(rows) // 2}


class MadePlan(Stage[Section]):
    """A plan, which an import has."""

    name = "plan"
    needs = ()

    def process(self, inputs: Inputs, outputs: Outputs) -> Mapping[str, int]:
        outputs.table(pa.table({"image": ["a"]}), "train-000000.parquet")
        return {"in": 1, "out": 1}


def made(folder: Folder, shards: int, samples: int) -> int:
    """Write the folder; its bytes."""
    run_shard(MadePlan(Section()), folder, ALL, "", {})
    stage = MadePack(samples)
    records = [run_shard(stage, folder, f"train-{n:06d}", "", {}) for n in range(shards)]
    folder.write_bytes(INDEX, index_of_import(records, samples // 2) or b"")
    folder.write_bytes(IMPORT_FILE, checked_json({"dataset": "made", "path": "made"}))
    return sum(output.bytes for record in records for output in record.outputs.values())


def by_program(root: Path, *program: str) -> None:
    """Compute the digests of all tables and tars."""
    files = sorted(str(path) for path in root.rglob("*") if path.suffix in (".tar", ".parquet"))
    command = ["xargs", "-0", "-n", "4", "-P", str(cores()), *program]
    done = subprocess.run(command, input="\0".join(files).encode(), capture_output=True, check=True)
    assert len(done.stdout.splitlines()) == len(files)


def by_verify(root: Path) -> None:
    """Verify the folder, which is clean."""
    assert verify_import(Folder(root)).findings == []


def by_sha256sum(root: Path) -> None:
    by_program(root, "sha256sum")


def by_openssl(root: Path) -> None:
    by_program(root, "openssl", "dgst", "-sha256")


def seconds(work: Callable[[Path], None], root: Path) -> float:
    started = time.perf_counter()
    work(root)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--shards", type=int, default=32)
    parser.add_argument("--samples", type=int, default=500, help="of a shard")
    parser.add_argument("--rounds", type=int, default=5)
    add_option(parser)
    options = parser.parse_args()
    figures = Figures("verify", options)
    with tempfile.TemporaryDirectory(prefix="webbody-verify-") as root:
        size = made(Folder(root), options.shards, options.samples)
        works = {"webbody verify": by_verify, "sha256sum": by_sha256sum}
        if shutil.which("openssl"):
            works["openssl dgst"] = by_openssl
        took = {name: float("inf") for name in works}
        for _ in range(options.rounds):
            for name, work in works.items():
                took[name] = min(took[name], seconds(work, Path(root)))
    print(f"{size / 1e6:,.0f} MB in {options.shards} shards, {cores()} cores")
    ours = took.pop("webbody verify")
    print(f"webbody verify  {ours:6.2f} s  {size / ours / 1e6:7,.0f} MB/s")
    figures.row(name="webbody verify", seconds=ours, bytes=size)
    for name, theirs in took.items():
        ratio = theirs / ours
        print(f"{name:15} {theirs:6.2f} s  {size / theirs / 1e6:7,.0f} MB/s  ratio {ratio:.2f}")
        figures.row(name=name, seconds=theirs, bytes=size)
        figures.ratio(f"beside {name}", ratio)


if __name__ == "__main__":
    main()
