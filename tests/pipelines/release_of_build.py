"""A release of a finished build, made from its packed samples."""

import datetime
import hashlib
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from webbody.releases.format import (
    RELEASE_FILE,
    SCHEMA,
    PackedAs,
    ReleaseInfo,
    ShuffledAs,
)
from webbody.releases.writing import digest_of_shards, write_data
from webbody.shards import read_members
from webbody.storage import Folder


def make_release(build: str | Path, out: str | Path, **info) -> Folder:
    """Write a release of a build; `info` are other values of release.json."""
    source, folder = Folder(build), Folder(out)
    hashes = {}
    for name in source.names("persons"):
        if name.endswith(".parquet"):
            rows = pq.read_table(source.open(f"persons/{name}")).to_pylist()
            hashes |= {row["crop"]: row["photo_hash"] for row in rows}
    crop_of = {}
    for name in source.names("split"):
        if name.startswith(("train-", "test-")):
            rows = pq.read_table(source.open(f"split/{name}")).to_pylist()
            crop_of |= {row["sample"]: row["crop"] for row in rows}
    index = json.loads(source.read("pack/index.json"))
    files, people, samples = {}, set(), 0
    for split, found in index["splits"].items():
        rows = []
        for shard in found["shards"]:
            for member, data in read_members(source.open(f"pack/{shard['name']}")):
                if member.endswith(".json"):
                    row = json.loads(data)
                    keypoints = [value for point in row["keypoints"] for value in point]
                    row |= {
                        "keypoints": keypoints,
                        "phash": hashes[crop_of[row["key"]]],
                        "fetched": datetime.date(2020, 5, 17),
                        "source": "demo",
                    }
                    rows.append({name: row.get(name) for name in SCHEMA.names})
        rows.sort(key=lambda row: (row["person"], row["key"]))
        people |= {row["person"] for row in rows}
        samples += len(rows)
        files |= write_data(folder, split, [pa.Table.from_pylist(rows, SCHEMA)])
    shuffle = pq.read_table(source.open("shuffle.parquet")).to_pylist()
    settings = json.loads(source.read("build.json"))["config"]
    values = {
        "name": "demo", "version": "1.0", "created": datetime.date(2020, 6, 1), "draft": False,
        "samples": samples, "people": len(people),
        "pack": PackedAs(size=settings["pack"]["size"], quality=settings["pack"]["quality"]),
        "shuffle": ShuffledAs(
            seed=settings["split"]["seed"],
            shards={row["split"]: row["shards"] for row in shuffle},
        ),
        "files": files,
        "data_digest": digest_of_shards(
            shard["sha256"] for found in index["splits"].values() for shard in found["shards"]
        ),
        "code": "0", "removals": "removals.parquet", "contact": "removals@example.org",
    }  # fmt: skip
    folder.write_bytes(RELEASE_FILE, ReleaseInfo(**{**values, **info}).to_json())
    return folder


def write_release(out: str | Path, rows: list[dict], shards: dict[str, int]) -> str:
    """Write a release of any rows; its path."""
    folder = Folder(out)
    files = {}
    for split in shards:
        some = [{name: r.get(name) for name in SCHEMA.names} for r in rows if r["split"] == split]
        some.sort(key=lambda row: (row["person"] or 0, row["key"]))
        files |= write_data(folder, split, [pa.Table.from_pylist(some, SCHEMA)])
    info = ReleaseInfo(
        name="made", version="1.0", created=datetime.date(2020, 6, 1), draft=False,
        samples=len(rows), people=len({row["person"] for row in rows}),
        pack=PackedAs(size=64, quality=90), shuffle=ShuffledAs(seed=0, shards=shards), files=files,
        data_digest="", code="0", removals="removals.parquet", contact="removals@example.org",
    )  # fmt: skip
    folder.write_bytes(RELEASE_FILE, info.to_json())
    return str(out)


def digests(build: str | Path) -> dict[str, str]:
    """The sha256 of each packed shard."""
    folder = Folder(build)
    return {
        name: hashlib.sha256(folder.read(f"pack/{name}")).hexdigest()
        for name in folder.names("pack")
        if name.endswith(".tar")
    }
