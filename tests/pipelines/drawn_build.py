"""A finished build made by hand: drawn people taken through every stage by fates, not by models."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from made_stages import with_settings

from pipelines.base.stage import ALL, Inputs, Outputs, Stage, run_shard
from pipelines.detection.simcc import SOFTMAX
from pipelines.stages.ledger import Ledger
from webbody.demo.drawing.identity import Identity
from webbody.demo.drawing.scene import photo
from webbody.images import encode_jpeg, letterbox
from webbody.storage import Folder

HOSTILE = "<script>alert('name')</script>"
URL = 'http://example.org/<script>alert(1)</script>"onerror=x/{}.jpg'

#: What becomes of the images, in turn; None is kept.
FATES = (
    None, None, "cluster:noise", "download:http-404", None, "person:none", "face:low-score",
    "cluster:minor", "identity:duplicate-of", None, "image:truncated", "face:none",
)  # fmt: skip
_DECIDES = {
    "download": "download", "image": "persons", "person": "persons", "face": "faces",
    "cluster": "clusters", "identity": "identities",
}  # fmt: skip
_ORDER = ("download", "persons", "faces", "clusters", "identities", "keypoints")

Rows = list[dict[str, Any]]
Write = Callable[[Outputs], Mapping[str, int]]


class Told(Stage):
    """A stage that writes what it is told."""

    needs = ()

    def __init__(self, name: str, write: Write) -> None:
        self.name, self.write = name, write

    def process(self, inputs: Inputs, outputs: Outputs) -> Mapping[str, int]:
        return self.write(outputs)


def draw_build(out: str, names: Sequence[Sequence[str]], images: int, side: int) -> dict[str, Rows]:
    """Commit every stage in `out`, a shard for each list of names; returns the rows by shard.

    The last name of the first shard is the same person as the first one.
    """
    folder = Folder(out)
    everybody = [name for some in names for name in some]
    people = {name: number for number, name in enumerate(everybody)}
    people[names[0][-1]] = 0
    shards: dict[str, Rows] = {}
    count = 0
    for number, some in enumerate(names):
        shards[f"{number:08x}"] = rows = []
        for name in some:
            for i in range(images):
                fate = FATES[count % len(FATES)] if i > 1 else None
                rows.append(_drawn(f"{count:020x}", name, people[name], fate, side))
                count += 1

    def commit(stage: str, shard: str, write: Write) -> None:
        run_shard(Told(stage, write), folder, shard, "fingerprint", {})

    folder.write_bytes("build.json", json.dumps({"manifest": "drawn.csv", "sha256": ""}).encode())
    commit("plan", ALL, lambda outputs: _plan(outputs, shards))
    for stage, write in (
        ("download", _download), ("persons", _persons), ("faces", _faces), ("clusters", _clusters),
    ):  # fmt: skip
        for shard, rows in shards.items():
            commit(stage, shard, lambda o, w=write, s=stage, r=rows: w(o, reaching(r, s)))
    twins = [names[0][0], names[0][-1]]
    commit("identities", ALL, lambda outputs: _identities(outputs, shards, twins))
    for shard, rows in shards.items():
        commit("keypoints", shard, lambda o, r=rows: _keypoints(o, reaching(r, "keypoints")))
    kept = [row for rows in shards.values() for row in rows if row["fate"] is None]
    commit("split", ALL, lambda outputs: _split(outputs, kept))
    commit("pack", "train-000000", lambda outputs: _pack(outputs, kept))
    for shard in shards:
        run_shard(with_settings(Ledger), folder, shard, "fingerprint", {})
    return shards


def reaching(rows: Rows, stage: str) -> Rows:
    """The rows that come to a stage, with `outcome` as it judges them."""
    out = []
    for row in rows:
        decides = _DECIDES.get((row["fate"] or "").split(":")[0], "nobody")
        if decides == "nobody" or _ORDER.index(decides) >= _ORDER.index(stage):
            out.append({**row, "outcome": row["fate"] if decides == stage else None})
    return out


def _drawn(key: str, name: str, person: int, fate: str | None, side: int) -> dict[str, Any]:
    """A row with its photo, its crop's area, and points and face in pixels of the crop."""
    rng = np.random.default_rng(int(key, 16))
    stranger = fate in ("cluster:noise", "cluster:minor")
    who = [Identity.sample(1000 + int(key, 16) % 7 if stranger else person)]
    while True:
        taken = photo(rng, who, (side, side * 3 // 4), heads=(0.15, 0.4), frontal=1.0)
        figure = taken.figures[0]
        if figure.face is not None and figure.visible_box is not None:
            break
    x1, y1, x2, y2 = (int(value) for value in figure.visible_box)
    points = figure.keypoints.copy()
    points[:, :2] -= (x1, y1)
    points[:, 2] = points[:, 2] == 2
    points[points[:, 2] == 0] = 0
    coco = np.delete(figure.keypoints, (3, 4), 0) * (1, 1, 0.5)
    rgb = np.ascontiguousarray(taken.image[..., ::-1])
    url = URL.format(key)
    return {
        "key": key, "crop": f"{key}-0", "url": url, "name": name, "person": person, "fate": fate,
        "rgb": rgb, "area": [x1, y1, x2, y2], "points": points, "coco": coco.ravel().tolist(),
        "face": (figure.face.box - (x1, y1, x1, y1)).tolist(),
        "landmarks": (figure.face.landmarks - (x1, y1)).ravel().tolist(),
    }  # fmt: skip


def _table(
    outputs: Outputs,
    rows: Rows,
    file: str | None = None,
    about: dict[bytes, bytes] | None = None,
    **columns,
) -> dict[str, int]:
    """Write a table of key, outcome, detail and these columns, given as lists; about: metadata."""
    table = {c: pa.array([row.get(c) for row in rows], pa.string()) for c in ("key", "outcome")}
    table["detail"] = pa.nulls(len(rows), pa.string())
    outputs.table(pa.table({**table, **columns}).replace_schema_metadata(about), file)
    return {"in": len(rows), "out": sum(row["outcome"] is None for row in rows)}


def _good(rows: Rows, value: Callable[[dict], Any]) -> list:
    """A value for each row without an outcome, None for the others."""
    return [value(row) if row["outcome"] is None else None for row in rows]


def _strings(rows: Rows, name: str) -> pa.Array:
    return pa.array([row[name] for row in rows], pa.string())


def _plan(outputs: Outputs, shards: dict[str, Rows]) -> dict[str, int]:
    for shard, rows in shards.items():
        columns = {name: _strings(rows, name) for name in ("key", "url", "name")}
        outputs.table(pa.table(columns), f"{shard}.parquet")
    outputs.table(pa.table({"row": [9], "outcome": ["manifest:no-url"]}), "rejected.parquet")
    good = sum(len(rows) for rows in shards.values())
    return {"in": good + 1, "out": good, "manifest:no-url": 1}


def _download(outputs: Outputs, rows: Rows) -> dict[str, int]:
    tar = outputs.tar()
    for row in rows:
        data = encode_jpeg(row["rgb"], 90)
        cut = len(data) // 2 if row["fate"] == "image:truncated" else len(data)
        if row["outcome"] is None:
            row["offset"], row["length"] = tar.add(f"{row['key']}.jpg", data[:cut])
    return _table(
        outputs,
        rows,
        url=_strings(rows, "url"),
        bytes=_good(rows, lambda row: row["length"]),
        width=_good(rows, lambda row: row["rgb"].shape[1]),
        height=_good(rows, lambda row: row["rgb"].shape[0]),
        format=_good(rows, lambda row: "jpg"),
        hash_match=pa.nulls(len(rows), pa.bool_()),
        offset=_good(rows, lambda row: row["offset"]),
        length=_good(rows, lambda row: row["length"]),
    )


def _persons(outputs: Outputs, rows: Rows) -> dict[str, int]:
    tar = outputs.tar()
    for row in rows:
        x1, y1, x2, y2 = row["area"]
        if row["outcome"] is None:
            jpeg = encode_jpeg(row["rgb"][y1:y2, x1:x2], 95)
            row["offset"], row["length"] = tar.add(f"{row['crop']}.jpg", jpeg)
    return _table(
        outputs,
        rows,
        crop=[row["key"] if row["outcome"] else row["crop"] for row in rows],
        index=[-1 if row["outcome"] else 0 for row in rows],
        box=_good(rows, lambda row: [float(value) for value in row["area"]]),
        score=_good(rows, lambda row: 0.93),
        keypoints=_good(rows, lambda row: row["coco"]),
        offset=_good(rows, lambda row: row["offset"]),
        length=_good(rows, lambda row: row["length"]),
    )


def _faces(outputs: Outputs, rows: Rows) -> dict[str, int]:
    found = [row["outcome"] != "face:none" for row in rows]
    return _table(
        outputs,
        rows,
        crop=_strings(rows, "crop"),
        box=[row["face"] if yes else None for row, yes in zip(rows, found, strict=True)],
        landmarks=[row["landmarks"] if yes else None for row, yes in zip(rows, found, strict=True)],
        score=[0.99 if row["outcome"] is None else 0.4 for row in rows],
        norm=pa.array(_good(rows, lambda row: 21.5), pa.float32()),
    )


def _clusters(outputs: Outputs, rows: Rows) -> dict[str, int]:
    cosine = [0.8 if row["outcome"] is None else 0.1 for row in rows]
    names = {"crop": _strings(rows, "crop"), "name": _strings(rows, "name")}
    return _table(outputs, rows, **names, similarity=pa.array(cosine, pa.float32()))


def _identities(outputs: Outputs, shards: dict[str, Rows], twins: list[str]) -> dict[str, int]:
    total = {"in": 0, "out": 0}
    for shard, every in shards.items():
        rows = reaching(every, "identities")
        for row in rows:
            row["outcome"] = row["outcome"] and f"{row['outcome']}:{rows[0]['crop']}"
        cosine = [0.95 if row["outcome"] else None for row in rows]
        counts = _table(
            outputs,
            rows,
            f"{shard}.parquet",
            crop=_strings(rows, "crop"),
            person=pa.array(_good(rows, lambda row: row["person"]), pa.int64()),
            similarity=pa.array(cosine, pa.float32()),
        )
        total = {name: total[name] + counts[name] for name in total}
    people = {"person": [0], "names": [twins], "names_merged": [2]}
    outputs.table(pa.table(people), "people.parquet")
    pairs = {"name_a": twins[:1], "name_b": twins[1:], "similarity": [0.83]}
    outputs.table(pa.table(pairs), "pairs.parquet")
    return total


def _keypoints(outputs: Outputs, rows: Rows) -> dict[str, int]:
    points = [row["points"].ravel().tolist() for row in rows]
    person = [row["person"] for row in rows]
    crops, about = _strings(rows, "crop"), {SOFTMAX: b"beta 10, told from the file's outputs"}
    return _table(outputs, rows, about=about, crop=crops, person=person, keypoints=points)


def _split(outputs: Outputs, rows: Rows) -> dict[str, int]:
    outputs.table(pa.table({"crop": _strings(rows, "crop")}), "train-000000.parquet")
    return {"in": len(rows), "out": len(rows)}


def _pack(outputs: Outputs, rows: Rows) -> dict[str, int]:
    tar = outputs.tar()
    for row in rows:
        x1, y1, x2, y2 = row["area"]
        square, scale, left, top = letterbox(row["rgb"][y1:y2, x1:x2], 384)
        points = row["points"] * (scale, scale, 1)
        points[points[:, 2] > 0, :2] += (left, top)
        about = {name: row[name] for name in ("key", "person")}
        about |= {"split": "train", "keypoints": points.tolist()}
        tar.add(f"{row['crop']}.jpg", encode_jpeg(square, 90))
        tar.add(f"{row['crop']}.cls", str(row["person"]).encode())
        tar.add(f"{row['crop']}.json", json.dumps(about).encode())
    outputs.table(pa.table({"crop": _strings(rows, "crop")}))
    return {"in": len(rows), "out": len(rows)}
