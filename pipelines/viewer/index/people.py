"""Everybody's centre: who resembles whom, and where people lie on a map."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipelines.engine.build_files import BuildFiles
from pipelines.identity.features import (
    EMBEDDER,
    Floats,
    embedder_of,
    from_column,
    to_column,
    unit,
)
from pipelines.viewer.index.shard_rows import stage_table
from pipelines.viewer.index.store import IndexStore, digest_of

_LABELS = pa.schema([("crop", pa.string()), ("person", pa.int64()), ("outcome", pa.string())])
_PREFIX = "people-"


@dataclass(frozen=True)
class PeopleCentres:
    """people: (P,) ids, sorted. images: (P,) their faces. centres: (P, D) of length 1.

    places: (P, 2) on a map, by the two directions in which the centres differ most (PCA), in 0..1.
    embedder: sha256 of the embedder's file, "" if unknown.
    """

    people: NDArray[np.int64]
    images: NDArray[np.int64]
    centres: Floats
    places: Floats
    embedder: str

    def nearest(
        self, feature: Floats, count: int, but: int | None = None
    ) -> list[tuple[int, float]]:
        """The people most similar to a feature (D,) with their cosines; without one of them."""
        if not len(self.people):
            return []
        cosines = self.centres @ unit(feature)
        order = np.argsort(-cosines, kind="stable")[: count + 1]
        found = [(int(self.people[i]), float(cosines[i])) for i in order]
        return [one for one in found if one[0] != but][:count]

    def centre_of(self, person: int) -> Floats | None:
        """The centre (D,) of a person; None where none is known."""
        at = self._row.get(person)
        return None if at is None else self.centres[at]

    def within(self, polygon: NDArray[np.float64]) -> NDArray[np.int64]:
        """The people whose places lie in a polygon (N, 2), by the rule of even and odd."""
        x, y = self.places[:, 0], self.places[:, 1]
        inside = np.zeros(len(self.people), bool)
        for (x1, y1), (x2, y2) in zip(polygon, np.roll(polygon, -1, 0), strict=True):
            crosses = (y1 > y) != (y2 > y)
            with np.errstate(divide="ignore", invalid="ignore"):
                inside ^= crosses & (x < (x2 - x1) * (y - y1) / (y2 - y1) + x1)
        return self.people[inside]

    @cached_property
    def _row(self) -> dict[int, int]:
        return {int(person): row for row, person in enumerate(self.people)}


def people_centres(build: BuildFiles, store: IndexStore) -> PeopleCentres:
    """The centres of a build's people; read from the index where they were made before."""
    name = f"{_PREFIX}{digest_of(build, ('faces', 'identities'))}"
    store.forget(_PREFIX, but=name)
    table = store.cached(name, lambda: _made(build))
    centres = from_column(table["feature"])
    _shorten(centres)
    return PeopleCentres(
        table["person"].to_numpy(),
        table["images"].to_numpy(),
        centres,
        np.stack([table["x"].to_numpy(), table["y"].to_numpy()], 1).astype(np.float32),
        embedder_of(table),
    )


def crop_features(build: BuildFiles, shard: str, crops: list[str]) -> dict[str, Floats]:
    """The raw features of some crops of a shard; those without one are left out."""
    table = _faces(build, shard)
    if table is None:
        return {}
    table = table.filter(pc.is_in(table["crop"], value_set=pa.array(crops, pa.string())))
    return dict(zip(table["crop"].to_pylist(), from_column(table["feature"]), strict=True))


def placed(features: Floats) -> Floats:
    """Features (N, D) on a map (N, 2): their two principal components, scaled to 0..1."""
    if len(features) < 2:
        return np.full((len(features), 2), 0.5, np.float32)
    # The centred features are as large as all features, and so are not made.
    mean = features.mean(0, dtype=np.float64)
    spread = features.T @ features - len(features) * np.outer(mean, mean)
    _, vectors = np.linalg.eigh(spread)
    across = features @ vectors[:, -2:][:, ::-1].astype(np.float32)
    low, high = across.min(0), across.max(0)
    return np.asarray((across - low) / np.maximum(high - low, 1e-12), np.float32)


def _made(build: BuildFiles) -> pa.Table:
    """Sum the features of each person, with one shard's in memory at a time."""
    row_of: dict[int, int] = {}
    sums, counts = np.zeros((0, 1), np.float32), np.zeros(0, np.int64)
    embedder = ""
    for shard in build.planned:
        labels, faces = stage_table(build, "identities", shard, _LABELS), _faces(build, shard)
        if labels is None or faces is None or not len(faces):
            continue
        embedder = embedder_of(faces) or embedder
        labels = labels.filter(pc.is_valid(labels["person"]))
        found = pc.index_in(labels["crop"], value_set=faces["crop"].combine_chunks())
        labels = labels.filter(pc.is_valid(found))
        rows = found.drop_null()
        features = from_column(faces["feature"].take(rows))
        people = [row_of.setdefault(person, len(row_of)) for person in labels["person"].to_pylist()]
        if len(row_of) > len(sums):
            grown = np.zeros(
                (max(len(row_of), len(sums) + len(sums) // 4), features.shape[1]), np.float32
            )
            grown[: len(sums), : sums.shape[1]] = sums
            sums, counts = grown, np.concatenate([counts, np.zeros(len(grown) - len(counts), int)])
        order = np.argsort(people, kind="stable")  # each person's rows side by side, to be summed
        of, starts, each = np.unique(np.array(people)[order], return_index=True, return_counts=True)
        if len(of):
            sums[of] += np.add.reduceat(features[order], starts)
            counts[of] += each
    ids = np.array(list(row_of), np.int64)
    order = np.argsort(ids)
    centres = sums[order]
    del sums
    _shorten(centres)
    places = placed(centres)
    columns = {
        "person": ids[order], "images": counts[: len(ids)][order], "x": places[:, 0],
        "y": places[:, 1], "feature": to_column(centres),
    }  # fmt: skip
    return pa.table(columns).replace_schema_metadata({EMBEDDER: embedder.encode()})


def _shorten(features: Floats) -> None:
    """Bring features (N, D) to length 1 in place; zero stays zero."""
    features /= np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)


def _faces(build: BuildFiles, shard: str) -> pa.Table | None:
    """Crops and features of a shard, where there are any: features may have been forgotten."""
    table = build.table("faces", shard, ["crop", "feature"])
    return None if table is None else table.filter(pc.is_valid(table["feature"]))
