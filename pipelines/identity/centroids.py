"""Centroids of names: the sums of the raw features of their person's faces."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipelines.base.stage import Inputs
from pipelines.identity.adjustments import NO_ADJUSTMENTS, Adjustments
from pipelines.identity.features import Floats, centre, embedder_of, from_column
from pipelines.identity.tables import by_name, kept, rows_of, strings
from webbody.errors import WebbodyError


@dataclass(frozen=True)
class ClusteredFaces:
    """The faces of a shard that tell who the people are; `features` (N, D) raw float32.

    Those that clustering kept, but for what people took out, and what they kept if it has a face.
    """

    crops: NDArray[np.str_]
    keys: pa.ChunkedArray
    names: pa.ChunkedArray
    features: Floats
    embedder: str

    @classmethod
    def read(
        cls, inputs: Inputs, shard: str, adjust: Adjustments = NO_ADJUSTMENTS
    ) -> "ClusteredFaces":
        clusters = adjust.without_out(adjust.clustered(inputs, shard))
        faces = kept(inputs.table("faces", shard, ["crop", "outcome", "feature"]))
        rows = rows_of(clusters["crop"], faces["crop"])
        if by_hand := adjust.keep.get(shard):  # some of these may have no face
            is_kept = np.isin(strings(clusters["crop"]), sorted(by_hand))
            there = (rows >= 0) | ~is_kept
            clusters, rows = clusters.filter(pa.array(there)), rows[there]
        if (rows < 0).any():
            raise WebbodyError(
                f"Shard {shard}: `clusters` has crops that `faces` does not list; "
                "remove the folder `clusters` and build again."
            )
        features = from_column(faces["feature"].take(pa.array(rows)))
        return cls(
            strings(clusters["crop"]),
            clusters["key"],
            clusters["name"],
            features,
            embedder_of(faces),
        )

    def by_name(self) -> Iterator[tuple[str, NDArray[np.int64]]]:
        """The rows of each name, sorted by crop."""
        for rows in by_name(self.names, self.crops):
            yield self.names[int(rows[0])].as_py(), rows


@dataclass(frozen=True)
class Centroids:
    """All names of a build, sorted by their smallest crop key.

    names: (N,). images: (N,) int64. shards: (N,) the shard each name lives in, by its position in
    the build. vectors: (N, D) float32. embedder: sha256 of the embedder, "" if unknown.
    """

    names: list[str]
    images: NDArray[np.int64]
    shards: NDArray[np.int64]
    vectors: Floats
    embedder: str

    @classmethod
    def read(cls, inputs: Inputs, adjust: Adjustments = NO_ADJUSTMENTS) -> "Centroids":
        """Sum the features of each name, with the features of one shard in memory at a time."""
        names: list[str] = []
        first: list[str] = []
        images: list[int] = []
        shards: list[int] = []
        vectors: list[Floats] = []
        embedders: dict[tuple[str, int], str] = {}
        for number, shard in enumerate(inputs.shards):
            faces = ClusteredFaces.read(inputs, shard, adjust)
            embedders[faces.embedder, faces.features.shape[1]] = shard
            for name, rows in faces.by_name():
                names.append(name)
                first.append(faces.crops[rows[0]])
                images.append(len(rows))
                shards.append(number)
                vectors.append(centre(faces.features[rows]))
        if len(embedders) > 1:
            raise WebbodyError(
                "The shards' features come from different face embedders ("
                + " and ".join(
                    f"shard {shard}: {width} numbers of {embedder[:12] or 'an unknown one'}"
                    for (embedder, width), shard in sorted(embedders.items())
                )
                + "): build again so that `faces` is made by one."
            )
        order = np.argsort(np.array(first, dtype=str), kind="stable")
        return cls(
            [names[i] for i in order],
            np.array(images, np.int64)[order],
            np.array(shards, np.int64)[order],
            np.stack(vectors)[order] if vectors else np.zeros((0, 1), np.float32),
            next(iter(embedders), ("", 0))[0],
        )
