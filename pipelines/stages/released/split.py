"""The split stage of a build from a release: the publisher's order of samples."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from pipelines.base.stage import Inputs, Outputs, Stage
from pipelines.identity.tables import kept, rows_of
from pipelines.sampling.external_shuffle import ExternalShuffle
from pipelines.sampling.placement import (
    SHUFFLE,
    Shuffle,
    place,
    shard_count,
    shuffle_numbers,
)
from pipelines.stages.split import SCHEMA, people_table
from webbody.config import SplitSettings


class ReleasedSplit(Stage[SplitSettings]):
    """Places the samples as the release says; see `pipelines.stages.split`.

    Where the whole release is built `split.shards` are the publisher's, however much has rotted: a
    shard that lost nothing has the publisher's bytes.
    """

    name = "split"
    needs = ("plan", "download", "crops")

    def process(self, inputs: Inputs, outputs: Outputs) -> Mapping[str, int]:
        tables = [sample_table(inputs, shard) for shard in inputs.shards]
        count = sum(map(len, tables))
        person = np.concatenate([np.zeros(0, np.int64), *(t["person"].to_numpy() for t in tables)])
        split = [name for table in tables for name in table["split"].to_pylist()]
        samples = (key for table in tables for key in table["sample"].to_pylist())
        order = shuffle_numbers(samples, self.settings.seed)
        size = self.settings.samples_per_shard
        shards = {
            name: self.settings.shards.get(name) or shard_count(split.count(name), size)
            for name in sorted(set(split), reverse=True)  # train before test
        }
        placed = place(person, split, order, shards, self.settings.seed)
        with ExternalShuffle(SCHEMA, len(placed.names)) as shuffle:
            start = 0
            for table in tables:
                rows = slice(start, start + len(table))
                shuffle.add(table, placed.file[rows], placed.place[rows])
                start += len(table)
            for number, table in shuffle.files():
                outputs.table(table, f"{placed.names[number]}.parquet")
        people = people_table(tables)
        outputs.table(people, "people.parquet")
        outputs.table(Shuffle(shards).table(), SHUFFLE)
        test = people["split"].to_pylist().count("test")
        return {
            "in": count,
            "out": count,
            "test": split.count("test"),
            "people": len(people),
            "test_people": test,
        }


def sample_table(inputs: Inputs, shard: str) -> pa.Table:
    """The samples of a shard with all that packing needs, in the order of `crops`."""
    crops = kept(inputs.table("crops", shard))
    plan = inputs.table("plan", shard)
    plan = plan.take(pa.array(rows_of(crops["key"], plan["key"])))
    download = inputs.table("download", shard, ["key", "sha256", "width", "height"])
    download = download.take(pa.array(rows_of(crops["key"], download["key"])))
    sides = np.stack([download["width"].to_numpy(), download["height"].to_numpy()] * 2, 1)
    area = np.array(crops["area"].to_pylist(), float).reshape(-1, 4)
    columns = {
        "crop": crops["crop"],
        "key": crops["key"],
        "sample": plan["key"],
        "person": plan["person"],
        "split": plan["split"],
        "url": plan["url"],
        "sha256": download["sha256"],
        "source": pa.array([f"crops/{shard}"] * len(crops), pa.string()),
        "offset": crops["offset"],
        "length": crops["length"],
        "digest": crops["digest"],
        "box": pa.array(
            (area / np.maximum(sides, 1)).astype(np.float32).tolist(), SCHEMA.field("box").type
        ),
        "image_width": download["width"],
        "image_height": download["height"],
        "crop_width": crops["width"],
        "crop_height": crops["height"],
        "keypoints": pa.nulls(len(crops), SCHEMA.field("keypoints").type),
        "packed_keypoints": plan["keypoints"],
    }
    return pa.table([columns[name] for name in SCHEMA.names], SCHEMA)
