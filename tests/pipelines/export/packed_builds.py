"""A finished build made by hand: two splits, three shards, a hostile name and URL."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from drawn_build import HOSTILE, Told

from pipelines.base.stage import ALL, Outputs, run_shard
from pipelines.stages.pack import SCHEMA, sample_json, write_index
from webbody import skeleton
from webbody.images import encode_jpeg, letterbox
from webbody.storage import Folder

PACKS = {"test-000000": 3, "train-000000": 7, "train-000001": 6}
#: The numbers of people; ids have up to 48 bits.
PEOPLE = {"test": (7,), "train": (3, 281_474_976_710_655)}
NAMES = {7: ["Ada Quill"], 3: [HOSTILE, "=cmd()"], 281_474_976_710_655: ["Zoë 李", "Dov Laine"]}
SHARD = "00000000"


def make_packed_build(out: Path) -> dict[str, dict[str, Any]]:
    """Commit every stage; the JSON and the picture of each sample, by key."""
    folder = Folder(out)
    folder.write_bytes("build.json", json.dumps({"manifest": "m.csv", "sha256": ""}).encode())
    count = sum(PACKS.values())
    made: dict[str, dict[str, Any]] = {}

    def commit(stage: str, shard: str, write: Any) -> None:
        run_shard(Told(stage, write), folder, shard, "fingerprint", {})

    def empty(outputs: Outputs) -> Mapping[str, int]:
        outputs.table(pa.table({"key": pa.array([], pa.string())}))
        return {"in": count, "out": count}

    def plan(outputs: Outputs) -> Mapping[str, int]:
        outputs.table(pa.table({"key": pa.array([], pa.string())}), f"{SHARD}.parquet")
        return {"in": count + 2, "out": count, "manifest:no-url": 2}

    def people(outputs: Outputs) -> Mapping[str, int]:
        outputs.table(pa.table({"person": list(NAMES), "names": list(NAMES.values())}),
                      "people.parquet")  # fmt: skip
        return {"in": count, "out": count}

    def split(outputs: Outputs) -> Mapping[str, int]:
        for pack in PACKS:
            outputs.table(pa.table({"sample": pa.array([], pa.string())}), f"{pack}.parquet")
        return {"in": count, "out": count}

    commit("plan", ALL, plan)
    for stage in ("download", "persons", "faces", "clusters"):
        commit(stage, SHARD, empty)
    commit("identities", ALL, people)
    commit("keypoints", SHARD, empty)
    commit("split", ALL, split)
    for pack in PACKS:
        commit("pack", pack, lambda outputs, pack=pack: _pack(outputs, pack, made))
    commit("ledger", SHARD, lambda outputs: {**empty(outputs), "kept": count})
    write_index(folder)
    return made


def _pack(outputs: Outputs, pack: str, made: dict[str, dict[str, Any]]) -> Mapping[str, int]:
    split = pack.partition("-")[0]
    rng = np.random.default_rng(int(hashlib.sha256(pack.encode()).hexdigest()[:8], 16))
    tar, rows = outputs.tar(), []
    for number in range(PACKS[pack]):
        person = PEOPLE[split][number % len(PEOPLE[split])]
        key = hashlib.blake2b(f"{pack} {number}".encode(), digest_size=10).hexdigest()
        width, height = (3 * int(side) for side in rng.integers(20, 70, 2))
        crop = np.full((height, width, 3), rng.integers(0, 90, 3)).astype(np.uint8)
        square, _, left, top = letterbox(crop, 384)
        points = np.zeros((skeleton.COUNT, 3), np.float32)
        points[:9] = (left + 10.25, top + 20.5, 1)
        row = {
            "sample": key, "person": person, "split": split,
            "url": f"http://example.org/<script>{number}</script>‮.jpg",
            "sha256": hashlib.sha256(key.encode()).hexdigest(),
            "box": [0.0, 0.25, 1.0, 1.0], "image_width": width, "image_height": height * 4 // 3,
        }  # fmt: skip
        picture, about = encode_jpeg(square, 90), sample_json(row, points)
        offset, length = tar.add(f"{key}.jpg", picture)
        tar.add(f"{key}.cls", str(person).encode())
        tar.add(f"{key}.json", about)
        rows.append({
            "key": key, "person": person, "split": split, "offset": offset, "length": length,
            "sha256": hashlib.sha256(picture).hexdigest(),
        })  # fmt: skip
        made[key] = {**json.loads(about), "picture": picture}
    outputs.table(pa.Table.from_pylist(rows, SCHEMA))
    return {"in": len(rows), "out": len(rows), "people": len({row["person"] for row in rows})}
