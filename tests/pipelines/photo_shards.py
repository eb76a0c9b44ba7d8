"""Small committed shards for the tests of the stages that look at pictures."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

import webbody.demo
from pipelines.base.stage import Inputs, Outputs, Stage, run_shard
from pipelines.stages.persons import SCHEMA as PERSONS
from webbody.demo.drawing.scene import Photo, crowd
from webbody.geometry import padded
from webbody.images import ImageError, encode_jpeg, probe
from webbody.skeleton import COCO17
from webbody.storage import Folder

MODELS = Path(webbody.demo.__file__).parent / "models"
SHARD = "00000001"
SIZES = ((640, 640), (640, 480), (480, 640), (640, 427))


def demo_model(name: str) -> str:
    """The path of one of the demo's models."""
    return str(MODELS / name)


def photos(count: int, seed: int = 0, sizes=SIZES) -> list[Photo]:
    """Photos of the demo's default world."""
    return [
        crowd(np.random.default_rng((seed, index)), size=sizes[index % len(sizes)])
        for index in range(count)
    ]


def rgb(photo: Photo) -> NDArray[np.uint8]:
    return np.ascontiguousarray(photo.image[..., ::-1])


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def blake2b(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=10).hexdigest()


class Given(Stage):
    """Commits a table, and a tar of members, under the name of another stage."""

    needs = ()

    def __init__(self, name: str, table: pa.Table, members: Mapping[str, bytes] | None = None):
        self.name = name
        self.table, self.members = table, members

    def process(self, inputs: Inputs, outputs: Outputs) -> Mapping[str, int]:
        table = self.table
        if self.members is not None:
            tar = outputs.tar()
            places = {
                name.split(".")[0]: tar.add(name, data) for name, data in self.members.items()
            }
            keys = table.column("crop" if "crop" in table.column_names else "key").to_pylist()
            for index, column in enumerate(("offset", "length")):
                values = [places[key][index] if key in places else None for key in keys]
                table = table.append_column(column, pa.array(values, pa.int64()))
            bodies = {name.split(".")[0]: data for name, data in self.members.items()}
            column, digest = ("sha256", sha256) if self.name == "download" else ("digest", blake2b)
            values = [digest(bodies[key]) if key in bodies else None for key in keys]
            if column in table.column_names:
                table = table.drop_columns([column])
            table = table.append_column(column, pa.array(values, pa.string()))
        outputs.table(table)
        return {"in": len(table), "out": len(table)}


def commit(out: Path, stage: Stage) -> Folder:
    folder = Folder(out)
    run_shard(stage, folder, SHARD, "test", {})
    return folder


def rows(out: Path, stage: str) -> list[dict[str, Any]]:
    return Inputs(Folder(out), SHARD).table(stage).to_pylist()


def download_shard(out: Path, files: Mapping[str, bytes | str]) -> None:
    """Commit a download shard: bytes of an image by key, or the outcome of a failed download."""
    made, members = [], {}
    for key, data in files.items():
        row: dict[str, Any] = {"key": key, "outcome": None, "width": None, "height": None}
        if isinstance(data, str):
            row["outcome"] = data
        else:
            try:
                header = probe(data)
            except ImageError:
                raise AssertionError(f"{key} would not have passed the download stage") from None
            row |= {"width": header.width, "height": header.height}
            members[f"{key}.{header.format}"] = data
        made.append(row)
    schema = pa.schema(
        {"key": pa.string(), "outcome": pa.string(), "width": pa.int32(), "height": pa.int32()}
    )
    commit(out, Given("download", pa.Table.from_pylist(made, schema=schema), members))


def persons_shard(out: Path, pictures: list[Photo]) -> list[dict[str, Any]]:
    """Commit a persons shard with the true persons of photos; its rows, with the figures."""
    made, members = [], {}
    for number, photo in enumerate(pictures):
        key = hashlib.blake2b(str(number).encode(), digest_size=10).hexdigest()
        height, width = photo.image.shape[:2]
        for index, figure in enumerate(photo.figures):
            left, top, right, bottom = padded(figure.box, 0.05, width, height)
            crop = f"{key}-{index}"
            members[f"{crop}.jpg"] = encode_jpeg(rgb(photo)[top:bottom, left:right], 95)
            points = figure.keypoints[COCO17].astype(np.float32)
            points[:, 2] = points[:, 2] == 2
            made.append(
                {
                    "crop": crop,
                    "key": key,
                    "index": index,
                    "box": figure.box.astype(np.float32),
                    "area": [left, top, right, bottom],
                    "score": 1.0,
                    "keypoints": points.reshape(-1),
                    "width": right - left,
                    "height": bottom - top,
                    "figure": figure,
                }
            )
    names = [name for name in PERSONS.names if name not in ("offset", "length")]
    schema = pa.schema([PERSONS.field(name) for name in names])
    plain = [{k: v for k, v in row.items() if k != "figure"} for row in made]
    commit(out, Given("persons", pa.Table.from_pylist(plain, schema=schema), members))
    return made
