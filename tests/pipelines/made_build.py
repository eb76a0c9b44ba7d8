"""A made-up build up to the keypoints stage, with real little crops."""

import hashlib

import numpy as np
import pyarrow as pa

from pipelines.base.stage import Outputs
from webbody.images import encode_jpeg
from webbody.storage import Folder


def make_build(path, people: dict[int, int], shards: int = 3, seed: int = 0) -> tuple[Folder, list]:
    """`people` maps each person to their number of images; every third shows a body only.

    Returns the folder and the rows of all crops; each crop is filled with a colour of its own.
    """
    folder = Folder(path)
    rows = []
    for person, images in people.items():
        rng = np.random.default_rng((seed, person))  # of his own, whoever else is there
        for number in range(images):
            key = hashlib.blake2b(f"{person} {number}".encode(), digest_size=10).hexdigest()
            width, height = (int(side) for side in rng.integers(20, 60, 2))
            left, top = (int(side) for side in rng.integers(0, 20, 2))
            points = np.zeros((19, 3), np.float32)
            points[[0, 1, 2, 5, 6]] = (width / 2, height / 4, 1)
            if number % 3 == 0:
                points[5] = 0
                points[15] = (width / 4, height, 1)
            rows.append(
                {
                    "key": key,
                    "crop": f"{key}-0",
                    "person": person,
                    "shard": f"{person % shards:08x}",
                    "url": f"http://example.org/{person}/{number}.jpg",
                    "sha256": hashlib.sha256(key.encode()).hexdigest(),
                    "area": [left, top, left + width, top + height],
                    "width": width,
                    "height": height,
                    "keypoints": points.ravel(),
                    "colour": rng.integers(0, 256, 3).astype(np.uint8),
                }
            )
    for number in range(shards):
        shard = f"{number:08x}"
        _write(folder, shard, [row for row in rows if row["shard"] == shard])
    return folder, rows


def _write(folder: Folder, shard: str, rows: list[dict]) -> None:
    text, number, floats = pa.string(), pa.int32(), pa.list_(pa.float32())

    def put(outputs: Outputs, **columns) -> None:
        outputs.table(pa.table(columns))
        outputs.seal()
        outputs.publish()

    def column(name, kind):
        return pa.array([row[name] for row in rows], kind)

    put(
        Outputs(folder, "download", shard),
        key=column("key", text),
        url=column("url", text),
        sha256=column("sha256", text),
        width=pa.array([100] * len(rows), number),
        height=pa.array([80] * len(rows), number),
    )
    outputs = Outputs(folder, "persons", shard)
    tar = outputs.tar()
    for row in rows:
        pixels = np.broadcast_to(row["colour"], (row["height"], row["width"], 3))
        data = encode_jpeg(pixels, 95)
        row["digest"] = hashlib.blake2b(data, digest_size=10).hexdigest()
        row["offset"], row["length"] = tar.add(f"{row['crop']}.jpg", data)
    put(
        outputs,
        crop=column("crop", text),
        area=column("area", pa.list_(number)),
        width=column("width", number),
        height=column("height", number),
        offset=column("offset", pa.int64()),
        length=column("length", pa.int64()),
        digest=column("digest", text),
    )
    put(
        Outputs(folder, "keypoints", shard),
        crop=column("crop", text),
        key=column("key", text),
        person=column("person", pa.int64()),
        outcome=pa.nulls(len(rows), text),
        keypoints=column("keypoints", floats),
    )
