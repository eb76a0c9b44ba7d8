"""What it costs to find out that nothing is to be done, on a disk and in an object store.

    python -m benchmarks.store [--shards 20 2000] [--json FILE]

A finished build of so many shards is made, with all its records and hardly any data. The folder is
copied into an S3-compatible server on this machine; `webbody build` and `webbody status` are run on
both when all is done. Calls are the requests that the server answered.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import figures
from benchmarks.made_shards import made_build
from benchmarks.object_store import ObjectStore, object_store
from pipelines.build import build
from pipelines.inspection.status import status
from webbody.storage import Folder

#: The build on the disk first, then in the store without an index, then with it.
_HEAD = (
    f"{'shards':>7} {'where':<16} {'what':<7} {'calls':>7} {'seconds':>8} {'s / 1,000 shards':>17}"
)


def measured(store: ObjectStore | None, what: Callable[[], object]) -> tuple[int, float]:
    """Calls and seconds of something."""
    before, started = store.requests if store else 0, time.perf_counter()
    what()
    return (store.requests if store else 0) - before, time.perf_counter() - started


def run(shards: int, folder: Path, store: ObjectStore, found: figures.Figures) -> dict[str, float]:
    """Measure a build of so many shards; seconds by place."""
    made = made_build(shards, folder)
    local, remote = made.out, f"s3://bucket/{shards}"
    target = Folder(remote)
    target.fs.put(f"{local}/", f"{target.root}/", recursive=True)
    seconds = {}
    for where, out, counted in (
        ("disk", local, None), ("store, no index", remote, store), ("store", remote, store),
    ):  # fmt: skip
        settings = made.model_copy(update={"out": out})
        for name, what in (
            ("build", lambda s=settings: build(s)),
            ("status", lambda o=out: status(o)),
        ):
            calls, took = measured(counted, what)
            seconds[f"{where} {name}"] = took
            each = 1000 * took / shards
            print(f"{shards:7d} {where:<16} {name:<7} {calls:7d} {took:8.2f} {each:17.2f}")
            found.row(shards=shards, where=where, what=name, calls=calls, seconds=took)
            if where == "store" and name == "build":
                seconds["calls"] = calls
    return seconds


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shards", type=int, nargs=2, default=[20, 2000])
    figures.add_option(parser)
    arguments = parser.parse_args()
    found = figures.Figures("store", arguments)
    print(_HEAD)
    with tempfile.TemporaryDirectory() as scratch, object_store(Path(scratch, "log")) as store:
        os.environ |= store.environment
        few, many = (
            run(shards, Path(tempfile.mkdtemp(dir=scratch)), store, found)
            for shards in arguments.shards
        )
    found.ratio("calls of many beside few", many["calls"] / few["calls"])
    found.ratio("seconds for 1,000 shards", 1000 * many["store build"] / arguments.shards[1])
    return 0


if __name__ == "__main__":
    sys.exit(main())
