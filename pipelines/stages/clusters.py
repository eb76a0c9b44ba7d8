"""The clusters stage: the faces of the person who bears a name, among all faces of its images."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipelines.base.crops import decode_crop
from pipelines.base.stage import Inputs, Outputs, Stage
from pipelines.identity.density import NOISE, dbscan
from pipelines.identity.features import Floats, centre, from_column, unit
from pipelines.identity.tables import by_name, kept, rows_of, strings
from webbody.config import FLAGS, ClustersSettings
from webbody.errors import WebbodyError

SCHEMA = pa.schema(
    [
        ("crop", pa.string()),
        ("key", pa.string()),
        ("name", pa.string()),
        ("outcome", pa.string()),
        ("detail", pa.string()),
        ("cluster", pa.int32()),
        ("links", pa.int32()),
        ("similarity", pa.float32()),
    ]
)


class Clusters(Stage[ClustersSettings]):
    """DBSCAN for each name; the largest cluster is the person (paper, section 3.4).

    One row for each trusted face. `cluster` counts the clusters of a name, 0 being the person and
    -1 noise, or what a flag or a filter of the user's drops; `links` is the number of other faces
    within eps; `similarity` the cosine to the person's centre, null where a name has no person.
    """

    name = "clusters"
    needs = ("plan", "faces")
    filters_need = ("persons",)

    def process(self, inputs: Inputs, outputs: Outputs) -> Mapping[str, int]:
        plan = inputs.table("plan", columns=["key", "name"])
        faces = kept(inputs.table("faces"))
        planned = rows_of(faces["key"], plan["key"])
        if (planned < 0).any():
            raise WebbodyError(
                f"Shard {inputs.shard}: `faces` has images that `plan` does not list; "
                "remove the folder `faces` and build again."
            )
        names = plan["name"].take(pa.array(planned))
        crops, keys = strings(faces["crop"]), strings(faces["key"])
        features = from_column(faces["feature"])

        result = ClusterColumns.empty(len(faces))
        self._drop(inputs, faces, result)
        dropped = np.array([outcome is not None for outcome in result.outcome], bool)
        for rows in by_name(names, crops):
            left = rows[~dropped[rows]]
            result.put(left, self.person_of(features[left], crops[left], keys[left]))
            for key, outcome in zip(keys[rows], result.outcome[rows], strict=True):
                outputs.tally.add(key, outcome)
        outputs.table(
            pa.table(
                {
                    "crop": faces["crop"],
                    "key": faces["key"],
                    "name": names,
                    "outcome": pa.array(result.outcome, pa.string()),
                    "detail": pa.array(result.detail, pa.string()),
                    "cluster": result.cluster,
                    "links": result.links,
                    "similarity": pa.array(result.similarity, from_pandas=True),
                },
                SCHEMA,
            )
        )
        return {"in": len(faces), "out": sum(value is None for value in result.outcome)}

    def _drop(self, inputs: Inputs, faces: pa.Table, result: "ClusterColumns") -> None:
        """Drop by flags, then by the user's filters on the crop of each face; it becomes noise."""
        if self.drop:
            table = inputs.table("flags", columns=["crop", *self.drop])
            flags = table.take(pa.array(rows_of(faces["crop"], table["crop"])))
            for flag in sorted(self.drop, key=FLAGS.index, reverse=True):
                found = flags[flag].fill_null(False).to_numpy()
                result.outcome[found] = f"flag:{flag}"
                result.cluster[found] = NOISE
        if not self.filters or not len(faces):
            return
        persons = {row["crop"]: row for row in inputs.table("persons").to_pylist()}
        with inputs.random_access("persons") as tar:
            for number, face in enumerate(faces.to_pylist()):
                if result.outcome[number] is not None:
                    continue
                crop = persons[face["crop"]]
                image = decode_crop(crop, tar.read(crop["offset"], crop["length"]))
                if verdict := self.filters(image, face):
                    result.outcome[number] = verdict.outcome
                    result.detail[number] = verdict.detail
                    result.cluster[number] = NOISE

    def person_of(
        self, features: Floats, crops: NDArray[np.str_], keys: NDArray[np.str_]
    ) -> "ClusterColumns":
        """Find the person among the faces of a name: raw features (N, D), sorted by crop.

        The largest cluster is the one with most images; of equal ones that with the smallest crop
        key. Two faces of one image cannot both be the person: the one closer to the cluster's
        centre stays, the other is `cluster:minor`.
        """
        found = ClusterColumns.empty(len(features))
        if len(np.unique(keys)) < self.settings.min_images:
            found.outcome[:] = "cluster:too-few"
            found.cluster[:] = NOISE
            return found
        faces = unit(features)
        labels, found.links[:] = dbscan(faces, self.settings.eps, self.settings.min_samples)
        found.cluster[:] = _ranked(labels, keys)
        person = found.cluster == 0
        found.outcome[found.cluster == NOISE] = "cluster:noise"
        found.outcome[found.cluster > 0] = "cluster:minor"
        if not person.any():
            return found
        closeness = faces @ unit(centre(features[person]))
        first_of: dict[str, str] = {}
        for row in sorted(np.flatnonzero(person), key=lambda row: (-closeness[row], row)):
            if keys[row] in first_of:
                found.outcome[row] = "cluster:minor"
                found.detail[row] = f"same image as {first_of[keys[row]]}"
                person[row] = False
            else:
                first_of[keys[row]] = crops[row]
        found.similarity[:] = faces @ unit(centre(features[person]))
        if person.sum() < self.settings.min_images:
            found.outcome[person] = "cluster:too-few"
        return found


@dataclass
class ClusterColumns:
    """Columns of the table for the faces of a name or of a shard."""

    outcome: NDArray[np.object_]
    detail: NDArray[np.object_]
    cluster: NDArray[np.int32]
    links: NDArray[np.int32]
    similarity: Floats  # NaN: none

    @classmethod
    def empty(cls, count: int) -> "ClusterColumns":
        return cls(
            np.full(count, None, object),
            np.full(count, None, object),
            np.zeros(count, np.int32),
            np.zeros(count, np.int32),
            np.full(count, np.nan, np.float32),
        )

    def put(self, rows: NDArray[np.int64], other: "ClusterColumns") -> None:
        """Fill these rows from the columns of a name."""
        for column, value in vars(other).items():
            getattr(self, column)[rows] = value


def _ranked(labels: NDArray[np.int64], keys: NDArray[np.str_]) -> NDArray[np.int64]:
    """Renumber labels by images (largest first), then by first face; noise stays -1."""
    clusters = [np.flatnonzero(labels == label) for label in range(labels.max() + 1)]
    clusters.sort(key=lambda rows: (-len(np.unique(keys[rows])), rows[0]))
    ranked = np.full(len(labels), NOISE, np.int64)
    for rank, rows in enumerate(clusters):
        ranked[rows] = rank
    return ranked
