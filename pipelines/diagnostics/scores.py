"""The scores that a setting was compared with, and what other values would keep."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipelines.engine.build_files import BuildFiles
from pipelines.identity.features import from_column, unit
from pipelines.identity.tables import kept
from pipelines.outcomes import value_of

Floats = NDArray[np.floating]

#: Suggest values of a setting that these shares of the scores would pass.
_SHARES = (0.5, 0.9)
#: Faces of one name that are compared with each other; more cost memory and change no quartile.
_MOST_FACES = 2000


@dataclass(frozen=True)
class ScoreSummary:
    """What was measured: quartiles, and the share that passes now and at other values.

    what: of what and by what, such as "face detection scores of photos". passing: values of the
    setting with their shares, that of now first; empty where no other value should be suggested.
    shards: how many were looked at, of how many.
    """

    what: str
    count: int
    quartiles: tuple[float, float, float]
    extreme: float  # the largest where larger ones pass, else the smallest
    passing: tuple[tuple[float, float], ...]
    shards: tuple[int, int]
    larger_pass: bool = True


@dataclass(frozen=True)
class _Measure:
    """How to read the scores behind an outcome, and how the setting is compared with them.

    read: gives them for a shard. threshold: number that must be reached, from the setting's value,
    and `back` the other way. step: to which suggested thresholds are rounded; where smaller numbers
    pass, a wider threshold would let strangers, leaks and copies in, and none is suggested.
    """

    what: str
    read: Callable[[BuildFiles, str], Floats]
    step: float = 0.05
    larger_pass: bool = True
    threshold: Callable[[float], float] = float
    back: Callable[[float], float] = float


def scores_of(outcome: str, build: BuildFiles, value: Any) -> ScoreSummary | None:
    """The scores behind an outcome of a build whose setting has `value`; None if not stored."""
    measure = _MEASURES.get(":".join(outcome.split(":")[:2]))
    if measure is None:
        return None
    shards = build.shards(_STAGES[outcome.split(":")[0]])
    parts = [measure.read(build, shard) for shard in shards]
    found = np.concatenate([np.zeros(0), *parts])
    found = found[np.isfinite(found)]
    if not len(found):
        return None
    low, middle, high = (float(q) for q in np.quantile(found, (0.25, 0.5, 0.75)))
    suggest = measure.larger_pass and value is not None
    return ScoreSummary(
        what=measure.what,
        count=len(found),
        quartiles=(low, middle, high),
        extreme=float(found.max() if measure.larger_pass else found.min()),
        passing=_passing(found, measure, value) if suggest else (),
        shards=(len(shards), len(build.planned)),
        larger_pass=measure.larger_pass,
    )


def _passing(found: Floats, measure: _Measure, value: float) -> tuple[tuple[float, float], ...]:
    """Values of the setting and the share that passes each: the present one, then wider ones."""
    now = measure.threshold(value)
    out = [(float(value), _share(found, now))]
    for share in _SHARES:
        at = float(np.quantile(found, 1 - share))
        # Rounded towards more passing, except for rounding errors.
        lower = float(np.floor(at / measure.step + 1e-6)) * measure.step
        other = round(measure.back(lower), 6), _share(found, lower)
        if lower < now - 1e-6 and other not in out:
            out.append(other)
    return tuple(out)


def _share(found: Floats, threshold: float) -> float:
    return float((found >= threshold - 1e-6).mean())


def _best(table: pa.Table | None, value: Callable[[dict[str, Any]], float | None]) -> Floats:
    """The largest value of each photo's crops."""
    best: dict[str, float] = {}
    for row in table.to_pylist() if table is not None else ():
        found = value(row)
        if found is not None:
            best[row["key"]] = max(found, best.get(row["key"], -np.inf))
    return np.array(list(best.values()), np.float64)


def _person_scores(build: BuildFiles, shard: str) -> Floats:
    return _best(build.table("persons", shard, ["key", "score"]), lambda row: row["score"])


def _face_scores(build: BuildFiles, shard: str) -> Floats:
    return _best(build.table("faces", shard, ["key", "score"]), lambda row: row["score"])


def _face_sizes(build: BuildFiles, shard: str) -> Floats:
    def side(row: dict[str, Any]) -> float | None:
        box = row["box"]
        return None if box is None else max(box[2] - box[0], box[3] - box[1])

    return _best(build.table("faces", shard, ["key", "box"]), side)


def _nearest_cosines(build: BuildFiles, shard: str) -> Floats:
    """The cosine of each face to the other face of its name that makes it a core point.

    With `clusters.min_samples` 2 that is the nearest other face.
    """
    clusters = build.table("clusters", shard, ["crop", "name"])
    faces = build.table("faces", shard, ["crop", "outcome", "feature"])
    if clusters is None or faces is None:
        return np.zeros(0)
    faces = kept(faces)
    name_of = dict(zip(clusters["crop"].to_pylist(), clusters["name"].to_pylist(), strict=True))
    rows: defaultdict[str, list[int]] = defaultdict(list)
    for row, crop in enumerate(faces["crop"].to_pylist()):
        if crop in name_of and len(rows[name_of[crop]]) < _MOST_FACES:
            rows[name_of[crop]].append(row)
    features = unit(from_column(faces["feature"]))
    neighbours = max(1, int(value_of("clusters.min_samples", build.settings) or 2) - 1)
    return np.concatenate([np.zeros(0), *_kth_nearest(features, rows.values(), neighbours)])


def _kth_nearest(features: Floats, groups: Any, k: int) -> Iterator[Floats]:
    for group in groups:
        if len(group) > k:
            cosines = features[group] @ features[group].T
            np.fill_diagonal(cosines, -np.inf)
            yield np.partition(cosines, -k, axis=1)[:, -k]


def _photo_figures(column: str) -> Callable[[BuildFiles, str], Floats]:
    """A figure that the quality stage noted of each photo."""

    def read(build: BuildFiles, shard: str) -> Floats:
        return _best(build.table("quality", shard, ["key", column]), lambda row: row[column])

    return read


def _images_of_names(build: BuildFiles, shard: str) -> Floats:
    """Images with a trusted face, of each name."""
    table = build.table("clusters", shard, ["key", "name"])
    images: defaultdict[str, set[str]] = defaultdict(set)
    for row in table.to_pylist() if table is not None else ():
        images[row["name"]].add(row["key"])
    return np.array([len(keys) for keys in images.values()], np.float64)


def _deciding_cosines(kind: str) -> Callable[[BuildFiles, str], Floats]:
    """The deciding cosines of photos that the identities stage dropped with such an outcome."""

    def read(build: BuildFiles, shard: str) -> Floats:
        def cosine(row: dict[str, Any]) -> float | None:
            return row["similarity"] if (row["outcome"] or "").startswith(kind) else None

        columns = ["key", "outcome", "similarity"]
        return _best(build.table("identities", shard, columns), cosine)

    return read


_STAGES = {
    "face": "faces", "cluster": "clusters", "identity": "identities", "person": "persons",
    "quality": "quality",
}  # fmt: skip

_EPS = _Measure(
    "cosines of faces to the nearest other face of their name",
    _nearest_cosines,
    threshold=lambda eps: 1 - eps,
    back=lambda cosine: 1 - cosine,
)
_MEASURES = {
    "person:none": _Measure("person detection scores of photos", _person_scores),
    "quality:low-score": _Measure("best person scores of photos", _photo_figures("score")),
    "quality:too-small": _Measure(
        "longest sides of certain persons in pixels", _photo_figures("side"), step=10
    ),
    "quality:text": _Measure(
        "shares of photos covered by text", _photo_figures("text"), larger_pass=False
    ),
    "quality:drawing": _Measure("shares of fine texture", _photo_figures("texture")),
    "face:low-score": _Measure("face detection scores of photos", _face_scores),
    "face:too-small": _Measure("face sizes of photos in pixels", _face_sizes, step=1),
    "cluster:noise": _EPS,
    "cluster:minor": _EPS,
    "cluster:too-few": _Measure("images with a trusted face per name", _images_of_names, step=1),
    "identity:ambiguous": _Measure(
        "cosines to the other name", _deciding_cosines("identity:ambiguous"), larger_pass=False
    ),
    "identity:unmerged": _Measure(
        "cosines to the other name", _deciding_cosines("identity:unmerged"), larger_pass=False
    ),
    "identity:leak": _Measure(
        "cosines to the gallery", _deciding_cosines("identity:leak"), larger_pass=False
    ),
    "identity:duplicate-of": _Measure(
        "cosines to the image that is kept", _deciding_cosines("identity:duplicate-of"),
        larger_pass=False,
    ),
}  # fmt: skip
