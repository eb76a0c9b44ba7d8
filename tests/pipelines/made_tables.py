"""Hand-made stage tables with known truth, and a way to run one stage on them."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.base.stage import Outputs, Stage, run_shard
from pipelines.identity.features import to_column
from webbody.commit import Record
from webbody.storage import Folder


def put(folder: Folder, stage: str, shard: str, **columns) -> None:
    """Write the table of a stage as if it had been built."""
    outputs = Outputs(folder, stage, shard)
    outputs.table(pa.table(columns))
    outputs.seal()
    outputs.publish()


def run(stage: Stage, folder: Folder, shard: str = "all", shards=()) -> Record:
    return run_shard(stage, folder, shard, "fingerprint", {}, shards)


def table(folder: Folder, name: str) -> pa.Table:
    with folder.open(name) as file:
        return pq.read_table(file)


def near(rng: np.random.Generator, anchor: np.ndarray, cosine: float, count: int) -> np.ndarray:
    """Features (count, D) whose cosine to `anchor` is exactly this, with norms 15..25.

    Their directions away from the anchor are random, so that two of them have about cosine^2.
    """
    anchor = anchor / np.linalg.norm(anchor)
    away = rng.normal(size=(count, len(anchor)))
    away -= np.outer(away @ anchor, anchor)
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    unit = cosine * anchor + np.sqrt(1 - cosine**2) * away
    return (unit * rng.uniform(15, 25, (count, 1))).astype(np.float32)


def put_faces(folder: Folder, shard: str, crops: list[str], features: np.ndarray) -> None:
    """The faces table, in the layout of the stage; every face trusted."""
    assert len(features) == len(crops)
    put(
        folder,
        "faces",
        shard,
        crop=pa.array(crops, pa.string()),
        key=pa.array([crop.rsplit("-", 1)[0] for crop in crops], pa.string()),
        outcome=pa.nulls(len(crops), pa.string()),
        feature=to_column(features),
    )
