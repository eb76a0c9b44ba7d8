"""Units of review: decisions about pictures that somebody can judge at one glance."""

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipelines.corrections.locating import ReadColumns
from pipelines.identity.features import Floats, from_column, unit
from pipelines.identity.tables import by_name, rows_of, strings

#: A unit is a crop of which the build decided whether it shows the person of its name; or a group:
#: the crops of a name that look like one another, but are fewer than those of the person.
#: cluster: 0 the person's, -1 noise, others groups. draw: a random number that depends on the
#: pictures alone. images: pictures of the cluster, 0 of noise; person_images: those of the name's
#: person. to_person: cosine of the crop to the other crops of the person, of a group the highest.
#: nearest: cosine to the most similar other picture of the name. Where the features were forgotten,
#: the first includes the crop itself, and the second is null.
UNITS = pa.schema(
    [
        ("shard", pa.string()),
        ("name", pa.string()),
        ("crops", pa.list_(pa.string())),
        ("outcome", pa.string()),
        ("by", pa.string()),
        ("cluster", pa.int32()),
        ("draw", pa.uint64()),
        ("images", pa.int32()),
        ("person_images", pa.int32()),
        ("to_person", pa.float32()),
        ("nearest", pa.float32()),
    ]
)


def units_of_shard(read: ReadColumns, shard: str) -> pa.Table:
    """The units of a shard as rows of UNITS; none where it is not clustered yet.

    `outcome` is null of what is kept; `by` names the correction that decided, if one did.
    """
    clusters = read("clusters", shard, ["crop", "key", "name", "cluster", "outcome", "similarity"])
    if clusters is None or not len(clusters):
        return UNITS.empty_table()
    columns = _ClusteredColumns.of(read, shard, clusters)
    rows = [
        {**row, "shard": shard}
        for found in by_name(clusters["name"], columns.crops)
        for row in columns.units(found)
    ]
    return pa.Table.from_pylist(rows, UNITS)


class _ClusteredColumns:
    """The columns of a shard's clustered faces."""

    def __init__(
        self,
        clusters: pa.Table,
        faces: Floats | None,
        outcomes: list[str | None],
        by: list[str | None],
        contents: list[str],
    ) -> None:
        self.crops = strings(clusters["crop"])
        self._keys, self._names = strings(clusters["key"]), clusters["name"].to_pylist()
        self._cluster = clusters["cluster"].to_numpy()
        self._similarity = clusters["similarity"].to_numpy(zero_copy_only=False)
        self._faces, self._outcomes, self._by, self._contents = faces, outcomes, by, contents

    @classmethod
    def of(cls, read: ReadColumns, shard: str, clusters: pa.Table) -> "_ClusteredColumns":
        outcomes = clusters["outcome"].to_pylist()
        by: list[str | None] = [None] * len(clusters)
        labels = read("identities", shard, ["crop", "outcome", "detail"])
        if labels is not None:
            rows = rows_of(clusters["crop"], labels["crop"]).tolist()
            final, detail = labels["outcome"].to_pylist(), labels["detail"].to_pylist()
            outcomes = [
                old if row < 0 else final[row] for old, row in zip(outcomes, rows, strict=True)
            ]
            by = [None if row < 0 else detail[row] for row in rows]
        photos = read("download", shard, ["key", "sha256"])
        digests = [""] * len(clusters)
        if photos is not None:
            known = dict(zip(photos["key"].to_pylist(), photos["sha256"].to_pylist(), strict=True))
            digests = [known.get(key) or "" for key in clusters["key"].to_pylist()]
        return cls(clusters, _features(read, shard, clusters), outcomes, by, digests)

    def units(self, rows: NDArray[np.int64]) -> Iterator[dict[str, Any]]:
        """The units of a name; rows: those of its faces."""
        cluster = self._cluster[rows]
        images = {
            int(one): len(np.unique(self._keys[rows[cluster == one]])) for one in np.unique(cluster)
        }
        to_person, nearest = self._likeness(rows, cluster == 0)
        common = {"name": self._names[int(rows[0])], "person_images": images.get(0, 0)}
        for one in np.unique(cluster).tolist():
            inside = np.flatnonzero(cluster == one)
            groups = [inside] if one > 0 else [np.array([row]) for row in inside]
            for group in groups:
                yield (
                    common
                    | self._unit(rows[group], images[one] if one >= 0 else 0)
                    | {
                        "cluster": one,
                        "to_person": _highest(to_person[group]),
                        "nearest": _highest(nearest[group]),
                    }
                )

    def _unit(self, rows: NDArray[np.int64], images: int) -> dict[str, Any]:
        first = int(rows[0])
        content = "".join(sorted(self._contents[row] for row in rows))
        place = self.crops[first].rpartition("-")[2] if len(rows) == 1 else ""
        digest = hashlib.blake2b(f"{content}{place}".encode(), digest_size=8).digest()
        return {
            "crops": self.crops[rows].tolist(),
            "outcome": self._outcomes[first],
            "by": self._by[first],
            "draw": int.from_bytes(digest),
            "images": images,
        }

    def _likeness(
        self, rows: NDArray[np.int64], person: NDArray[np.bool_]
    ) -> tuple[Floats, Floats]:
        """Cosines of the faces of a name to the others of its person, and to the nearest one."""
        if self._faces is None:
            return self._similarity[rows], np.full(len(rows), np.nan, np.float32)
        raw = self._faces[rows]
        faces = unit(raw)
        others = raw[person].sum(0)[None] - np.where(person[:, None], raw, 0)
        to_person = (faces * unit(others)).sum(1)
        to_person[np.linalg.norm(others, axis=1) < 1e-6] = np.nan
        nearest = np.full(len(rows), np.nan, np.float32)
        keys = self._keys[rows]
        for start in range(0, len(rows), _BLOCK):
            block = slice(start, start + _BLOCK)
            cosines = faces[block] @ faces.T
            cosines[keys[block, None] == keys[None]] = -np.inf
            highest = cosines.max(1)
            nearest[block] = np.where(np.isfinite(highest), highest, np.nan)
        return to_person, nearest


#: Faces of a name that are compared with all others at a time.
_BLOCK = 1024


def _features(read: ReadColumns, shard: str, clusters: pa.Table) -> Floats | None:
    """The raw features of the clustered faces; None where they were forgotten."""
    faces = read("faces", shard, ["crop", "feature"])
    if faces is None:
        return None
    rows = rows_of(clusters["crop"], faces["crop"])
    found = faces["feature"].take(pa.array(rows, mask=rows < 0))
    return None if found.null_count else from_column(found)


def _highest(values: Floats) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.max()) if len(known) else None


def all_units(read: ReadColumns, shards: Iterable[str]) -> pa.Table:
    """The units of a build."""
    return pa.concat_tables([UNITS.empty_table(), *(units_of_shard(read, one) for one in shards)])
