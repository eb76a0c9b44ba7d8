"""Split: training and test people, and every sample's place in the shuffled output shards."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipelines.base.stage import Inputs, Outputs, Stage
from pipelines.identity.tables import kept, rows_of
from pipelines.sampling.external_shuffle import ExternalShuffle
from pipelines.sampling.selection import draw, eligible, shows_body
from webbody import skeleton
from webbody.config import SplitSettings

TRAIN, TEST = "train", "test"
SPLITS = (TRAIN, TEST)

SCHEMA = pa.schema(
    [
        ("crop", pa.string()),
        ("key", pa.string()),
        ("person", pa.int64()),
        ("split", pa.string()),
        ("url", pa.string()),
        ("sha256", pa.string()),
        ("source", pa.string()),
        ("offset", pa.int64()),
        ("length", pa.int64()),
        ("digest", pa.string()),
        ("box", pa.list_(pa.float32())),
        ("image_width", pa.int32()),
        ("image_height", pa.int32()),
        ("crop_width", pa.int32()),
        ("crop_height", pa.int32()),
        ("keypoints", pa.list_(pa.float32())),
    ]
)


class Split(Stage[SplitSettings]):
    """Draws the test people and shuffles all samples over the output shards.

    Outputs: an assignment file for each output shard (`train-000000.parquet` ...) with a row for
    each sample in its final order: `source`, `offset` and `length` say where the crop lies among
    the persons' tars, `box` is the crop's rectangle in fractions of the upright original,
    `keypoints` are in pixels of the crop. `people.parquet` lists the people with their counts.
    The order follows from seed and crop keys alone.
    """

    name = "split"
    needs = ("download", "persons", "keypoints")

    def process(self, inputs: Inputs, outputs: Outputs) -> Mapping[str, int]:
        samples = SplitSamples.read(inputs, self.settings.seed)
        images = np.bincount(samples.person)
        body = np.bincount(samples.person[samples.body], minlength=len(images))
        people = eligible(images, body, self.settings.test_images, self.settings.test_body_images)
        is_test = np.zeros(len(images), bool)
        is_test[draw(people, self.settings.test_people, self.settings.seed)] = True

        file, place, names = self._places(samples.order, is_test[samples.person])
        with ExternalShuffle(SCHEMA, len(names)) as scatter:
            for shard, rows in zip(inputs.shards, samples.shards, strict=True):
                table = sample_table(inputs, shard, is_test)
                scatter.add(table, file[rows], place[rows])
            for number, table in scatter.files():
                outputs.table(table, f"{names[number]}.parquet")
        known = images > 0
        outputs.table(
            pa.table(
                {
                    "person": np.flatnonzero(known),
                    "images": pa.array(images[known], pa.int32()),
                    "body_images": pa.array(body[known], pa.int32()),
                    "split": _split_column(is_test[known]),
                }
            ),
            "people.parquet",
        )
        return {
            "in": len(samples.person),
            "out": len(samples.person),
            "test": int(is_test[samples.person].sum()),
            "people": int(known.sum()),
            "test_people": int(is_test.sum()),
        }

    def _places(
        self, order: NDArray[np.uint64], test: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], list[str]]:
        """For each sample its file and its place; the names of the files.

        The samples of a split are spread evenly: no shard is more than one sample larger than
        another.
        """
        file = np.zeros(len(order), np.int64)
        place = np.zeros(len(order), np.int64)
        names: list[str] = []
        for split, chosen in zip(SPLITS, (~test, test), strict=True):
            rows = np.flatnonzero(chosen)
            rows = rows[np.argsort(order[rows], kind="stable")]
            files = -(-len(rows) // self.settings.samples_per_shard)
            place[rows] = np.arange(len(rows))
            file[rows] = len(names) + place[rows] * files // max(1, len(rows))
            names += [f"{split}-{number:06d}" for number in range(files)]
        return file, place, names


@dataclass(frozen=True)
class SplitSamples:
    """What the split needs to know of all samples (N,) at once.

    person: label. body: shows limbs or lower body while the face is not fully visible. order: a
    number drawn for each sample, by which it is shuffled. shards: the samples of each shard.
    """

    person: NDArray[np.int64]
    body: NDArray[np.bool_]
    order: NDArray[np.uint64]
    shards: list[slice]

    @classmethod
    def read(cls, inputs: Inputs, seed: int) -> "SplitSamples":
        person, body, order = [], [], []
        shards: list[slice] = []
        start = 0
        for shard in inputs.shards:
            table = _keypoints(inputs, shard)
            person.append(table["person"].to_numpy())
            body.append(
                shows_body(_array(table["keypoints"], skeleton.COUNT * 3).reshape(-1, 19, 3))
            )
            order.append(shuffle_numbers(table["crop"].to_pylist(), seed))
            shards.append(slice(start, start + len(table)))
            start += len(table)
        return cls(
            np.concatenate([np.zeros(0, np.int64), *person]),
            np.concatenate([np.zeros(0, bool), *body]),
            np.concatenate([np.zeros(0, np.uint64), *order]),
            shards,
        )


def shuffle_numbers(crops: Iterable[str], seed: int) -> NDArray[np.uint64]:
    """A pseudo-random number for each crop key, a function of the key and the seed alone."""
    key = str(seed).encode()
    digests = [hashlib.blake2b(c.encode(), digest_size=8, key=key).digest() for c in crops]
    return np.frombuffer(b"".join(digests), "<u8").astype(np.uint64)


def sample_table(inputs: Inputs, shard: str, is_test: NDArray[np.bool_]) -> pa.Table:
    """The samples of a shard with everything that packing needs, in the order of `keypoints`."""
    keypoints = _keypoints(inputs, shard)
    persons = inputs.table(
        "persons", shard, ["crop", "area", "width", "height", "offset", "length", "digest"]
    )
    persons = persons.take(pa.array(rows_of(keypoints["crop"], persons["crop"])))
    download = inputs.table("download", shard, ["key", "url", "sha256", "width", "height"])
    download = download.take(pa.array(rows_of(keypoints["key"], download["key"])))
    sides = np.stack([download["width"].to_numpy(), download["height"].to_numpy()] * 2, 1)
    box = _array(persons["area"], 4) / np.maximum(sides, 1)
    columns = [
        keypoints["crop"],
        keypoints["key"],
        keypoints["person"],
        _split_column(is_test[keypoints["person"].to_numpy()]),
        download["url"],
        download["sha256"],
        pa.array([shard] * len(keypoints), pa.string()),
        persons["offset"],
        persons["length"],
        persons["digest"],
        _lists(box),
        download["width"],
        download["height"],
        persons["width"],
        persons["height"],
        keypoints["keypoints"],
    ]
    return pa.table(dict(zip(SCHEMA.names, columns, strict=True)), SCHEMA)


def _keypoints(inputs: Inputs, shard: str) -> pa.Table:
    return kept(inputs.table("keypoints", shard, ["crop", "key", "person", "outcome", "keypoints"]))


def _split_column(test: NDArray[np.bool_]) -> pa.Array:
    return pa.array(np.where(test, TEST, TRAIN).astype(object), pa.string())


def _array(column: pa.ChunkedArray, width: int) -> NDArray[Any]:
    """A column of lists of equal length as an array (N, width)."""
    values: NDArray[Any] = column.combine_chunks().flatten().to_numpy().reshape(-1, width)
    return values


def _lists(values: NDArray[Any]) -> pa.ListArray:
    """An array (N, width) as a column of lists."""
    flat = pa.array(values.astype(np.float32).ravel())
    return pa.ListArray.from_arrays(
        np.arange(len(values) + 1, dtype=np.int32) * values.shape[1], flat
    )
