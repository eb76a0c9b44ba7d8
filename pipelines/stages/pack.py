"""The pack stage: the final samples, white-letterboxed squares in WebDataset shards."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pyarrow as pa

from model.prefetch import prefetch
from pipelines.base.stage import ALL, Inputs, Outputs, Stage, committed
from webbody import skeleton
from webbody.config import PackSettings
from webbody.errors import WebbodyError
from webbody.geometry import on_letterbox
from webbody.images import decode, encode_jpeg, letterbox
from webbody.parquet_tables import read_parquet
from webbody.releases.format import SPLITS
from webbody.releases.writing import digest_of_shards
from webbody.shards import read_scattered
from webbody.storage import Folder

INDEX = "pack/index.json"
README = "pack/README.md"
_ABOUT = """
Samples as WebDataset shards. The header says which files hold the pictures, for whoever reads or
uploads this folder as a data set; the tables beside the shards are records of how they were made.
"""
SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("person", pa.int64()),
        ("split", pa.string()),
        ("sha256", pa.string()),
        ("offset", pa.int64()),
        ("length", pa.int64()),
    ]
)
#: Samples in memory at the same time, so that the sources are read sequentially.
WINDOW = 2048


class Pack(Stage[PackSettings]):
    """Writes one output shard, such as train-000000, from the crops of many source shards.

    A sample has the members `<key>.jpg`, `<key>.cls` (the person's id) and `<key>.json` (see
    `sample_json`); its key tells of the picture alone (`webbody.sample_keys`). The index beside the
    tar lists the samples with sha256, offset and length of their pictures.
    """

    name = "pack"
    version = 2  # keys without names
    needs = ("split",)  # which holds the digests of the crops that are read

    def process(self, inputs: Inputs, outputs: Outputs) -> Mapping[str, int]:
        samples = inputs.table("split")
        tar = outputs.tar()
        index: list[dict[str, Any]] = []
        with ThreadPoolExecutor(self.resources.threads) as pool:
            for start in range(0, len(samples), WINDOW):
                rows = samples.slice(start, WINDOW).to_pylist()
                for row, (jpeg, sample) in zip(rows, self._packed(rows, inputs, pool), strict=True):
                    key, person = row["sample"], row["person"]
                    offset, length = tar.add(f"{key}.jpg", jpeg)
                    tar.add(f"{key}.cls", str(person).encode())
                    tar.add(f"{key}.json", sample)
                    digest = hashlib.sha256(jpeg).hexdigest()
                    values = (key, person, row["split"], digest, offset, length)
                    index.append(dict(zip(SCHEMA.names, values, strict=True)))
        outputs.table(pa.Table.from_pylist(index, SCHEMA))
        people = len({row["person"] for row in index})
        return {"in": len(samples), "out": len(index), "people": people}

    def _packed(
        self, rows: list[dict[str, Any]], inputs: Inputs, pool: ThreadPoolExecutor
    ) -> list[tuple[bytes, bytes]]:
        """JPEG and JSON of each sample; read source by source, in the order of the rows."""
        by_source = sorted(range(len(rows)), key=lambda i: (rows[i]["source"], rows[i]["offset"]))
        crops = read_crops([rows[i] for i in by_source], inputs)
        jobs = ((rows[i], data) for i, data in zip(by_source, crops, strict=True))
        done = prefetch(pool, lambda job: self._sample(*job), jobs, 2 * self.resources.threads)
        out: list[tuple[bytes, bytes]] = [(b"", b"")] * len(rows)
        for i, packed in zip(by_source, done, strict=True):
            out[i] = packed
        return out

    def _sample(self, row: Mapping[str, Any], data: bytes) -> tuple[bytes, bytes]:
        image = decode(data, row["crop_width"] * row["crop_height"])
        square, scale, left, top = letterbox(image, self.settings.size)
        if (final := row["packed_keypoints"]) is not None:
            points = np.array(final, np.float32).reshape(skeleton.COUNT, 3)
        else:
            points = np.array(row["keypoints"], np.float32).reshape(skeleton.COUNT, 3)
            points = skeleton.clean(on_letterbox(points, scale, left, top))
        return encode_jpeg(square, self.settings.quality), sample_json(row, points)


def read_crops(rows: list[dict[str, Any]], inputs: Inputs) -> Iterator[bytes]:
    """The crops' bytes; rows are sorted by source, so that one tar is open at a time.

    Raises WebbodyError where a crop is not the one that the split assigned.
    """
    places = [(f"{row['source']}.tar", row["offset"], row["length"]) for row in rows]
    for row, data in zip(rows, read_scattered(inputs.folder, places), strict=True):
        if hashlib.blake2b(data, digest_size=10).hexdigest() != row["digest"]:
            raise WebbodyError(
                f"{row['source']}.tar has changed ({row['crop']} is another picture); remove "
                "the file and build again."
            )
        yield data


def sample_json(row: Mapping[str, Any], keypoints: np.ndarray) -> bytes:
    """The sample's description: no name, no feature, no face box.

    box: the crop's rectangle, xyxy in fractions of the upright original, whose size is width and
    height. keypoints: (19, 3) x, y in pixels of the final image, and visibility.
    """
    sample = {
        "key": row["sample"],
        "person": row["person"],
        "split": row["split"],
        "url": row["url"],
        "sha256": row["sha256"],
        "box": [round(float(value), 6) for value in row["box"]],
        "width": row["image_width"],
        "height": row["image_height"],
        "keypoints": [[round(float(value), 2) for value in point] for point in keypoints],
    }
    return json.dumps(sample, ensure_ascii=False, separators=(",", ":")).encode()


def write_index(folder: Folder) -> None:
    """Write pack/index.json, and what makes the folder one of pictures for `load_dataset`.

    Raises WebbodyError where an output shard has not been committed.
    """
    index = index_of(folder)
    _write_readme(folder, json.loads(index)["splits"])
    folder.update_bytes(INDEX, index)


def _write_readme(folder: Folder, splits: Mapping[str, Any]) -> None:
    """Write a README with the files of each split; a user's own README is kept."""
    lines = [f"  - {{split: {name}, path: {name}-*.tar}}\n" for name in SPLITS if name in splits]
    configs = ["configs:\n- config_name: default\n  data_files:\n", *lines] if lines else []
    page = f"---\n{''.join(configs)}---\n{_ABOUT}".encode()
    try:
        present = folder.read(README)
    except FileNotFoundError:
        present = _ABOUT.encode()
    if present != page and present.endswith(_ABOUT.encode()):
        folder.write_bytes(README, page)


def index_of(folder: Folder) -> bytes:
    """The index that the commit records ask for: splits, their shards, samples and people.

    Raises WebbodyError where an output shard has not been committed.
    """
    split = committed(folder, "split", ALL)
    with folder.open("split/people.parquet") as file:
        people = read_parquet(file, columns=["split"])["split"].to_pylist()
    splits: dict[str, Any] = {}
    for name in sorted(split.outputs):
        kind, dash, _ = name.partition("-")
        if not dash:
            continue
        shard = name.removesuffix(".parquet")
        record = committed(folder, "pack", shard)
        tar = record.outputs[f"{shard}.tar"]
        entry = splits.setdefault(
            kind, {"samples": 0, "people": people.count(kind), "bytes": 0, "shards": []}
        )
        entry["samples"] += record.counts["out"]
        entry["bytes"] += tar.bytes
        entry["shards"].append(
            {
                "name": f"{shard}.tar",
                "samples": record.counts["out"],
                "people": record.counts["people"],
                "bytes": tar.bytes,
                "sha256": tar.sha256,
            }
        )
    digests = [shard["sha256"] for split in splits.values() for shard in split["shards"]]
    index = {
        "format": "webdataset",
        "digest": digest_of_shards(digests),  # of the whole data set, for papers to name
        "splits": splits,
    }
    return (json.dumps(index, indent=1, sort_keys=True) + "\n").encode()
