"""`webbody view` of a build of many crops: each page beside reading its Parquet columns alone.

    python -m benchmarks.viewer [--crops 1000000] [--json FILE]

The build is made up: real tables, commit records and shards of every stage, with noise for
features; its tars hold one small picture that all crops share. A page is asked for twice; the
second time counts, the first one fills what is kept. The ratio is to DuckDB reading the columns
of the same rows from the index's Parquet files, and nothing else. Memory is that of the process at
most, with the making of the index.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from starlette.testclient import TestClient

from benchmarks import figures
from benchmarks.scale_parts import peak
from pipelines.base.stage import ALL
from pipelines.viewer.index.viewed import WatchedBuild
from pipelines.viewer.security import Gate
from pipelines.viewer.site import Site
from webbody.build_records import Requested, write_build
from webbody.commit import Output, Record, record_name
from webbody.images import encode_jpeg
from webbody.storage import Folder

_SHARD, _OF_NAME, _WIDTH = 10_000, 25, 512
_KEPT = 0.4
_HOST = "http://127.0.0.1:8765"
#: Thresholds that the page of figures draws.
CONFIG = {
    "faces": {"min_score": 0.5},
    "persons": {"confidence": 0.7, "min_side": 32},
    "identities": {"similar": 0.8, "ambiguous": 0.7, "leak": 0.8},
}
_ALL_AT_ONCE = ("plan", "identities", "split")
_BY_SHARD = ("download", "persons", "faces", "clusters", "keypoints", "ledger")
_OUTCOMES = (None, "cluster:noise", "cluster:minor", "cluster:too-few")


class MadeBuild:
    """Writes the tables of a build and their commit records."""

    def __init__(self, path: Path, crops: int) -> None:
        self.folder, self.crops = Folder(path), crops
        self.path = path
        self.outputs: dict[str, dict[str, Output]] = {}
        self.rng = np.random.default_rng(0)
        self.names: dict[int, tuple[str, int]] = {}  # by person, with the pictures

    def write(self) -> None:
        """Everything that pages read."""
        stages = {
            name: Requested("fingerprint", (), name in _ALL_AT_ONCE)
            for name in (*_ALL_AT_ONCE, *_BY_SHARD)
        }
        write_build(self.folder, {"manifest": "made", "sha256": "", "config": CONFIG}, stages)
        shards = [f"{number:08x}" for number in range(-(-self.crops // _SHARD))]
        rows = 0
        for number, shard in enumerate(shards):
            count = min(_SHARD, self.crops - number * _SHARD)
            self._shard(number, shard, count)
            rows += count
        rejected = {"row": pa.array([], pa.int64()), "outcome": pa.array([], pa.string())}
        self._table("plan", "rejected", pa.table(rejected))
        pairs = {
            "name_a": [f"name {i:07d}" for i in range(0, 2000, 2)],
            "name_b": [f"name {i:07d}" for i in range(1, 2000, 2)],
            "similarity": np.linspace(0.8, 0.9, 1000, dtype=np.float32),
            "decision": ["merged", "apart"] * 500,
        }
        self._table("identities", "pairs", pa.table(pairs))
        people = pa.array(sorted(self.names), pa.int64())
        self._table(
            "split", "people", pa.table({"person": people, "split": ["train"] * len(people)})
        )
        bearers = sorted(self.names.items())
        self._table("identities", "people", pa.table({
            "person": pa.array([person for person, _ in bearers], pa.int64()),
            "images": pa.array([count for _, (_, count) in bearers], pa.int32()),
            "names": [[name] for _, (name, _) in bearers],
        }))  # fmt: skip
        for stage in _ALL_AT_ONCE:
            self._record(stage, ALL, {"in": rows, "out": rows})
        for shard in shards:
            for stage in _BY_SHARD:
                kept = int(rows * _KEPT) // len(shards)
                counts = {"kept": kept, "cluster:noise": _SHARD - kept} if stage == "ledger" else {}
                self._record(stage, shard, {"in": _SHARD, "out": _SHARD, **counts})

    def _shard(self, number: int, shard: str, count: int) -> None:
        first = number * _SHARD
        ids = np.arange(first, first + count)
        keys = pa.array([f"{i:020x}" for i in ids])
        crops = pa.array([f"{i:020x}-0" for i in ids])
        names = pa.array([f"name {i // _OF_NAME:07d}" for i in ids])
        urls = pa.array(
            [f"https://host{i % 997}.example/{i * 2654435761 % 2**32}.jpg" for i in ids]
        )
        nothing = pa.nulls(count, pa.string())
        random = self.rng.random(count).astype(np.float32)
        outcome = pa.array([_OUTCOMES[0] if r < _KEPT else _OUTCOMES[1 + i % 3]
                            for i, r in enumerate(random)])  # fmt: skip
        person = [int(i) // _OF_NAME * 7919 + 1 if r < _KEPT else None
                  for i, r in zip(ids, random, strict=True)]  # fmt: skip
        for name, one in zip(names.to_pylist(), person, strict=True):
            if one is not None:
                self.names[one] = (name, self.names.get(one, ("", 0))[1] + 1)
        jpeg = encode_jpeg(np.full((320, 200, 3), number % 256, np.uint8), 90)
        places = {"offset": np.zeros(count, np.int64), "length": np.full(count, len(jpeg))}
        sides = {"width": np.full(count, 200, np.int32), "height": np.full(count, 320, np.int32)}
        base = {"key": keys, "outcome": nothing, "detail": nothing}
        boxes = pa.FixedSizeListArray.from_arrays(
            pa.array(np.tile(np.array([60, 40, 120, 120], np.float32), count)), 4
        ).cast(pa.list_(pa.float32()))
        area = pa.FixedSizeListArray.from_arrays(
            pa.array(np.tile(np.array([0, 0, 200, 320], np.int32), count)), 4
        ).cast(pa.list_(pa.int32()))
        sha = pa.array([f"{i:064x}" for i in ids])
        floats = self.rng.random((4, count)).astype(np.float32)
        self._table("plan", shard, pa.table({"key": keys, "url": urls, "name": names}))
        self._table("download", shard, pa.table({**base, "url": urls, "sha256": sha,
                    "bytes": np.full(count, len(jpeg)), "format": ["jpg"] * count, **sides,
                    **places}))  # fmt: skip
        self._table("persons", shard, pa.table({**base, "crop": crops, "box": boxes, "area": area,
                    "index": np.zeros(count, np.int32), "score": floats[0], "digest": keys,
                    **sides, **places}))  # fmt: skip
        noise = self.rng.standard_normal((count // _OF_NAME + 1, _WIDTH))[
            np.arange(count) // _OF_NAME
        ]
        feature = pa.FixedSizeListArray.from_arrays(
            pa.array(noise.astype(np.float16).ravel()), _WIDTH
        )
        self._table("faces", shard, pa.table({**base, "crop": crops, "box": boxes,
                    "score": floats[1], "feature": feature, "norm": floats[2] * 20}))  # fmt: skip
        self._table("clusters", shard, pa.table({**base, "crop": crops, "name": names,
                    "outcome": outcome, "similarity": floats[3],
                    "cluster": _cluster_of(outcome)}))  # fmt: skip
        there = pa.array(np.array([one is not None for one in person]))
        identities = pa.table({**base, "crop": crops, "sample": keys,
                               "person": pa.array(person, pa.int64())}).filter(there)  # fmt: skip
        self._table("identities", shard, identities)
        points = np.ones((count, 57), np.float32)
        keypoints = pa.FixedSizeListArray.from_arrays(pa.array(points.ravel()), 57)
        table = pa.table(
            {**base, "crop": crops, "keypoints": keypoints.cast(pa.list_(pa.float32()))}
        )
        self._table("keypoints", shard, table.filter(there))
        said = pa.array(["kept" if one is None else one for one in outcome.to_pylist()])
        self._table("ledger", shard, pa.table({**base, "outcome": said}))
        for stage in ("download", "persons"):
            self.folder.write_bytes(f"{stage}/{shard}.tar", jpeg)
            name = f"{shard}.tar"
            self.outputs.setdefault(stage, {})[name] = Output(f"{number:064x}", len(jpeg))

    def _table(self, stage: str, name: str, table: pa.Table) -> None:
        path = self.path / stage / f"{name}.parquet"
        path.parent.mkdir(exist_ok=True, parents=True)
        pq.write_table(table, path, compression="zstd")
        digest = f"{abs(hash((stage, name))):064x}"
        output = Output(digest, path.stat().st_size)
        self.outputs.setdefault(stage, {})[f"{name}.parquet"] = output

    def _record(self, stage: str, shard: str, counts: dict[str, int]) -> None:
        own = {
            name: output
            for name, output in self.outputs[stage].items()
            if shard == ALL or name.startswith(f"{shard}.")
        }
        inputs = {"manifest": ""} if stage == "plan" else {}
        record = Record(stage, shard, "fingerprint", inputs, own, counts)
        self.folder.write_bytes(record_name(stage, shard), record.to_json())


def _cluster_of(outcome: pa.Array) -> pa.Array:
    """Kept faces are of the first cluster, those of lesser ones of the second, the rest noise."""
    clusters = {None: 0, "cluster:minor": 1}
    return pa.array([clusters.get(one, -1) for one in outcome.to_pylist()], pa.int32())


def pages_of(crops: int) -> dict[str, tuple[str, str]]:
    """Each page's address, and the columns that it cannot do without."""
    middle = f"{crops // 2:020x}"
    person = crops // 2 // _OF_NAME * 7919 + 1
    deep = crops // 4 // 60
    return {
        "funnel": ("/", "outcome"),
        "figures": ("/figures", "outcome, person_score, face_score, similarity, side"),
        "grid": ("/grid", "key, crop, name, shard"),
        "grid of an outcome": ("/grid?outcome=cluster:noise", "outcome, key, crop, name, shard"),
        "grid by a figure": ("/grid?sort=-similarity&outcome=kept", "outcome, similarity, key"),
        "grid in a range": ("/grid?min_face_score=0.4&max_face_score=0.5", "face_score, key"),
        "grid of a host": ("/grid?domain=host7.example", "domain, key"),
        "grid of a text": ("/grid?find=name%20000012", "url, name, key"),
        "a late page": (f"/grid?sort=similarity&page={deep}", "similarity, key, crop"),
        "image": (f"/image/{middle}", "key, shard"),
        "people": ("/people", "person, outcome, similarity, name"),
        "person": (f"/person/{person}", "person, similarity"),
        "name": ("/name?name=name%200000400", "name, similarity"),
        "pairs": ("/pairs", "name, similarity, outcome"),
        "review": ("/review", "crop, name, similarity, outcome"),
        "map": ("/map.json", "person, outcome"),
        "find": (f"/find?find={middle}", "key, crop, url, sample"),
    }


def seconds(action: Callable[[], object]) -> float:
    """Wall time."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--crops", type=int, default=1_000_000)
    figures.add_option(parser)
    arguments = parser.parse_args()
    found = figures.Figures("viewer", arguments)
    with tempfile.TemporaryDirectory(prefix="webbody-benchmark-") as scratch:
        # In a process of its own: what making the build takes is not the viewer's.
        child = os.fork()
        if child == 0:
            MadeBuild(Path(scratch), arguments.crops).write()
            os._exit(0)
        if os.waitpid(child, 0)[1]:
            raise SystemExit("the build was not made")
        start = time.perf_counter()
        with WatchedBuild(scratch) as build:
            made = time.perf_counter() - start
            print(f"{arguments.crops:,} crops; index made in {made:.1f} s, {peak():,.0f} MiB")
            again = seconds(lambda: build.now(anew=True))
            print(f"read again {again:.2f} s")
            gate = Gate(8765, "token")
            client = TestClient(Site(build, gate).app(), base_url=_HOST)
            client.get("/?enter=token")
            files = sorted(str(path) for path in Path(scratch, ".view").glob("0*.parquet"))
            slowest = pages = columns_alone = 0.0
            for name, (address, columns) in pages_of(arguments.crops).items():
                first, second = (seconds(lambda a=address: _asked(client, a)) for _ in range(2))
                alone = min(seconds(lambda c=columns: _read(files, c)) for _ in range(2))
                slowest = max(slowest, second)
                pages, columns_alone = pages + second, columns_alone + alone
                told = f"{name:20} first {first:6.3f} s, then {second:6.3f} s"
                print(f"{told}, {second / alone:6.2f} x its columns ({alone:.3f} s)", flush=True)
                found.row(page=name, first=first, then=second, columns=alone)
                found.ratio(name, second / alone)
            size = Path(scratch, "persons/00000000.tar").stat().st_size
            thumb = f"/picture/persons/00000000/0/{size}.jpg"
            first, second = (seconds(lambda: _asked(client, thumb)) for _ in range(2))
            print(f"thumbnail first {first:.4f} s, then {second:.4f} s")
            print(f"slowest page {slowest:.3f} s; memory at most {peak():,.0f} MiB")
            print(f"all pages {pages / columns_alone:.2f} x their columns")
            found.row(slowest=slowest, memory=peak())
            found.ratio("all pages", pages / columns_alone)
            found.ratio("memory in GiB", peak() / 1024)


def _asked(client: TestClient, address: str) -> None:
    answer = client.get(address, follow_redirects=False)
    if answer.status_code not in (200, 303):
        raise SystemExit(f"{address}: {answer.status_code}")


def _read(files: list[str], columns: str) -> None:
    """Read columns of the index alone: their sums, so that no value is skipped."""
    listed = ", ".join(f"'{file}'" for file in files)
    sums = ", ".join(f"max({column})" for column in columns.split(", "))
    with duckdb.connect() as database:
        database.execute("SET threads = 2")
        database.execute(f"SELECT {sums} FROM read_parquet([{listed}], union_by_name=true)")


if __name__ == "__main__":
    main()
