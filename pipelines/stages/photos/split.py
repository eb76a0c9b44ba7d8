"""The split stage of a build of whole photos: all of them, shuffled over the output shards."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipelines.base.stage import Inputs, Outputs, Stage
from pipelines.identity.tables import kept, rows_of
from pipelines.sampling.external_shuffle import ExternalShuffle
from pipelines.sampling.placement import SHUFFLE, Shuffle, place, shard_count, shuffle_numbers
from webbody.config import SplitSettings

TRAIN = "train"

#: A sample as packing needs it. boxes: xyxy of its persons one after the other, in pixels of the
#: photo as it came, whose size is width and height; scores: one for each.
SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("sample", pa.string()),
        ("split", pa.string()),
        ("url", pa.string()),
        ("sha256", pa.string()),
        ("source", pa.string()),
        ("offset", pa.int64()),
        ("length", pa.int64()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("boxes", pa.list_(pa.float32())),
        ("scores", pa.list_(pa.float32())),
    ]
)


class PhotoSplit(Stage[SplitSettings]):
    """Shuffles all photos over the output shards of one split, `train`.

    Outputs an assignment file for each (`train-000000.parquet` ...) with a row for each sample in
    its final order, and shuffle.parquet, the number of shards. All follows from seed and packed
    keys; of the settings those that draw people count for nothing.
    """

    name = "split"
    needs = ("download", "persons", "quality")

    def process(self, inputs: Inputs, outputs: Outputs) -> Mapping[str, int]:
        numbers = [self._numbers(inputs, shard) for shard in inputs.shards]
        order = np.concatenate([np.zeros(0, np.uint64), *numbers])
        before, size = (
            Shuffle.read(inputs.folder).shards.get(TRAIN),
            self.settings.samples_per_shard,
        )
        count = self.settings.shards.get(TRAIN) or shard_count(len(order), size, before)
        shards = {TRAIN: count}
        # Each photo for itself, as a person is elsewhere: spread over all shards.
        alone = order.astype(np.int64)
        placed = place(alone, [TRAIN] * len(order), order, shards, self.settings.seed)
        with ExternalShuffle(SCHEMA, len(placed.names)) as shuffle:
            start = 0
            for shard, own in zip(inputs.shards, numbers, strict=True):
                rows = slice(start, start + len(own))
                shuffle.add(photo_table(inputs, shard), placed.file[rows], placed.place[rows])
                start += len(own)
            for number, table in shuffle.files():
                outputs.table(table, f"{placed.names[number]}.parquet")
        outputs.table(Shuffle(shards).table(), SHUFFLE)
        return {"in": len(order), "out": len(order)}

    def _numbers(self, inputs: Inputs, shard: str) -> NDArray[np.uint64]:
        samples = kept(inputs.table("quality", shard, ["sample", "outcome"]))["sample"]
        return shuffle_numbers(samples.to_pylist(), self.settings.seed)


def photo_table(inputs: Inputs, shard: str) -> pa.Table:
    """The samples of a shard (SCHEMA), in the order of `quality`."""
    quality = kept(inputs.table("quality", shard, ["key", "sample", "outcome"]))
    columns = ["key", "url", "sha256", "offset", "length", "width", "height"]
    download = inputs.table("download", shard, columns)
    download = download.take(pa.array(rows_of(quality["key"], download["key"])))
    boxes: dict[str, list[float]] = {key: [] for key in quality["key"].to_pylist()}
    scores: dict[str, list[float]] = {key: [] for key in boxes}
    for row in inputs.table("persons", shard, ["key", "box", "score"]).to_pylist():
        if row["key"] in boxes:
            boxes[row["key"]] += row["box"]
            scores[row["key"]].append(row["score"])
    made = {
        "sample": quality["sample"],
        "split": pa.array([TRAIN] * len(quality), pa.string()),
        "source": pa.array([f"download/{shard}"] * len(quality), pa.string()),
        "boxes": pa.array(list(boxes.values()), SCHEMA.field("boxes").type),
        "scores": pa.array(list(scores.values()), SCHEMA.field("scores").type),
    }
    values = [made[name] if name in made else download[name] for name in SCHEMA.names]
    return pa.table(values, SCHEMA)
