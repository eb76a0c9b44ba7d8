"""The split stage: training, validation and test people, and the shuffle of samples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipelines.base.stage import Inputs, Outputs, Stage
from pipelines.identity.samples import packed_keys
from pipelines.identity.tables import kept, rows_of
from pipelines.sampling.external_shuffle import ExternalShuffle
from pipelines.sampling.placement import (
    SHUFFLE,
    Shuffle,
    place,
    shard_count,
    shuffle_numbers,
)
from pipelines.sampling.selection import draw, eligible, shows_body
from pipelines.sampling.validation import draw_validation
from webbody import skeleton
from webbody.config import SplitSettings
from webbody.sample_keys import packed_key

TRAIN, VALIDATION, TEST = "train", "validation", "test"
SPLITS = (TRAIN, VALIDATION, TEST)

SCHEMA = pa.schema(
    [
        ("crop", pa.string()),
        ("key", pa.string()),
        ("sample", pa.string()),
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
        ("packed_keypoints", pa.list_(pa.float32())),
    ]
)
PEOPLE = pa.schema(
    [
        ("person", pa.int64()),
        ("images", pa.int32()),
        ("body_images", pa.int32()),
        ("split", pa.string()),
    ]
)


class Split(Stage[SplitSettings]):
    """Draws test and validation people and shuffles all samples over the output shards.

    Outputs: an assignment file for each output shard (`train-000000.parquet` ...) with a row for
    each sample in its final order: `offset` and `length` say where the crop lies in the tar
    `source`, `box` is the crop's rectangle in fractions of the upright original, `keypoints` are in
    pixels of the crop (`packed_keypoints`, of a build from a release, in pixels of the final
    image). `people.parquet` lists the people with their counts, shuffle.parquet the number of
    shards. All follows from seed, packed keys and person ids; the
    number of shards stays as it was while it fits.
    """

    name = "split"
    version = 2  # added and removed samples move few others
    needs = ("download", "persons", "keypoints")

    def process(self, inputs: Inputs, outputs: Outputs) -> Mapping[str, int]:
        samples = SplitSamples.read(inputs, self.settings.seed)
        images = np.bincount(samples.of)
        body = np.bincount(samples.of[samples.body], minlength=len(images))
        fits = eligible(images, body, self.settings.test_images, self.settings.test_body_images)
        drawn = draw(samples.people[fits], self.settings.test_people, self.settings.seed)
        split_of = np.where(np.isin(samples.people, drawn), TEST, TRAIN).astype(object)
        rest = split_of == TRAIN
        validation = draw_validation(
            samples.people[rest],
            images[rest],
            self.settings.validation_people,
            self.settings.seed,
        )
        split_of[np.isin(samples.people, validation)] = VALIDATION

        split = split_of[samples.of]
        before, size = Shuffle.read(inputs.folder).shards, self.settings.samples_per_shard
        shards = {
            name: self.settings.shards.get(name)
            or shard_count(int((split == name).sum()), size, before.get(name))
            for name in SPLITS
            if name != VALIDATION or len(validation)
        }
        person = samples.people[samples.of]
        placed = place(person, split.tolist(), samples.order, shards, self.settings.seed)
        with ExternalShuffle(SCHEMA, len(placed.names)) as shuffle:
            for shard, rows in zip(inputs.shards, samples.shards, strict=True):
                table = sample_table(inputs, shard, split[rows])
                shuffle.add(table, placed.file[rows], placed.place[rows])
            for number, table in shuffle.files():
                outputs.table(table, f"{placed.names[number]}.parquet")
        people = pa.table([samples.people, images, body, pa.array(split_of)], schema=PEOPLE)
        outputs.table(people, "people.parquet")
        outputs.table(Shuffle(shards).table(), SHUFFLE)
        return {
            "in": len(samples.of),
            "out": len(samples.of),
            "test": int((split == TEST).sum()),
            "validation": int((split == VALIDATION).sum()),
            "people": len(samples.people),
            "test_people": int((split_of == TEST).sum()),
        }


@dataclass(frozen=True)
class SplitSamples:
    """What the split needs to know of all samples (N,) at once.

    people: (P,) ids. of: the person of each sample by place in `people`. body: shows limbs or lower
    body while the face is not fully visible. order: a number drawn for each sample, by which it is
    shuffled. shards: the samples of each shard.
    """

    people: NDArray[np.int64]
    of: NDArray[np.int64]
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
            samples = packed_keys(inputs, shard, table["crop"], table["key"]).tolist()
            order.append(shuffle_numbers((key.decode() for key in samples), seed))
            shards.append(slice(start, start + len(table)))
            start += len(table)
        every = np.concatenate([np.zeros(0, np.int64), *person])
        people, of = np.unique(every, return_inverse=True)
        return cls(
            people,
            of,
            np.concatenate([np.zeros(0, bool), *body]),
            np.concatenate([np.zeros(0, np.uint64), *order]),
            shards,
        )


def sample_table(inputs: Inputs, shard: str, split: NDArray[np.object_]) -> pa.Table:
    """The samples (N,) of a shard with all that packing needs, in the order of `keypoints`."""
    keypoints = _keypoints(inputs, shard)
    persons = inputs.table(
        "persons", shard, ["crop", "area", "width", "height", "offset", "length", "digest"]
    )
    persons = persons.take(pa.array(rows_of(keypoints["crop"], persons["crop"])))
    download = inputs.table("download", shard, ["key", "url", "sha256", "width", "height"])
    download = download.take(pa.array(rows_of(keypoints["key"], download["key"])))
    sides = np.stack([download["width"].to_numpy(), download["height"].to_numpy()] * 2, 1)
    box = _array(persons["area"], 4) / np.maximum(sides, 1)
    pairs = zip(download["url"].to_pylist(), persons["area"].to_pylist(), strict=True)
    columns = [
        keypoints["crop"],
        keypoints["key"],
        pa.array([packed_key(*pair) for pair in pairs], pa.string()),
        keypoints["person"],
        pa.array(split, pa.string()),
        download["url"],
        download["sha256"],
        pa.array([f"persons/{shard}"] * len(keypoints), pa.string()),
        persons["offset"],
        persons["length"],
        persons["digest"],
        lists(box),
        download["width"],
        download["height"],
        persons["width"],
        persons["height"],
        keypoints["keypoints"],
        pa.nulls(len(keypoints), SCHEMA.field("packed_keypoints").type),
    ]
    return pa.table(dict(zip(SCHEMA.names, columns, strict=True)), SCHEMA)


def people_table(samples: Sequence[pa.Table]) -> pa.Table:
    """The people of tables of samples (SCHEMA) whose keypoints are those of the final image."""
    columns = ("person", "split", "packed_keypoints")
    table = pa.concat_tables([one.select(columns) for one in samples] or [SCHEMA.empty_table()])
    people, first, of = np.unique(
        table["person"].to_numpy(), return_index=True, return_inverse=True
    )
    body = shows_body(_array(table["packed_keypoints"], skeleton.COUNT * 3).reshape(-1, 19, 3))
    counts = [np.bincount(of, minlength=len(people)), np.bincount(of[body], minlength=len(people))]
    return pa.table([people, *counts, table["split"].take(pa.array(first))], schema=PEOPLE)


def _keypoints(inputs: Inputs, shard: str) -> pa.Table:
    return kept(inputs.table("keypoints", shard, ["crop", "key", "person", "outcome", "keypoints"]))


def _array(column: pa.ChunkedArray, width: int) -> NDArray[Any]:
    """A column of lists of equal length as an array (N, width)."""
    values: NDArray[Any] = column.combine_chunks().flatten().to_numpy().reshape(-1, width)
    return values


def lists(values: NDArray[Any]) -> pa.ListArray:
    """An array (N, width) as a column of lists."""
    flat = pa.array(values.astype(np.float32).ravel())
    return pa.ListArray.from_arrays(
        np.arange(len(values) + 1, dtype=np.int32) * values.shape[1], flat
    )
