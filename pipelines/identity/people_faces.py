"""All faces of a person together, one person at a time, though people span shards."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipelines.base.stage import Inputs
from pipelines.identity.adjustments import NO_ADJUSTMENTS, Adjustments
from pipelines.identity.centroids import ClusteredFaces
from pipelines.identity.samples import packed_keys
from pipelines.identity.tables import rows_of, strings
from webbody.scratch import scratch_folder


def _row(width: int) -> np.dtype:
    columns = [("crop", "U32"), ("sample", "S20"), ("image", "U64"), ("hash", "i8")]
    return np.dtype([*columns, ("feature", np.float32, (width,))])


@dataclass(frozen=True)
class PersonFaces:
    """A person's faces: `rows` (N,) with fields crop, sample, image, hash and feature.

    They are sorted by `sample`, the key under which a crop is packed, in which no name plays a
    part. `image` is the sha256 of the picture, so that equal bytes are recognised; `hash` its
    perceptual hash.
    """

    person: int
    rows: NDArray[Any]


def faces_of_people(
    inputs: Inputs,
    person_of: Mapping[str, int],
    images: NDArray[np.int64],
    spans: NDArray[np.bool_],
    width: int,
    adjust: Adjustments = NO_ADJUSTMENTS,
) -> Iterator[PersonFaces]:
    """Go through the shards once and yield each person's faces.

    person_of: name -> person, for the names that are wanted. images: (P,) faces of each person.
    spans: (P,) whether the person's names lie in several shards. width: of the features. Only the
    faces of those people wait, in a temporary file; of the others no more than a shard is held.
    """
    waiting = np.flatnonzero(spans)
    end = np.cumsum(images[waiting])
    place = dict(zip(waiting.tolist(), (end - images[waiting]).tolist(), strict=True))
    filled = dict.fromkeys(place, 0)
    with scratch_folder("faces") as folder:
        total = int(end[-1]) if len(end) else 0
        shape = (max(1, total),)
        path = Path(folder) / "faces"
        with path.open("wb") as file:  # room is taken now: without it a write to the map kills
            os.posix_fallocate(file.fileno(), 0, shape[0] * _row(width).itemsize)
        spill = np.memmap(path, _row(width), mode="r+", shape=shape)
        for shard in inputs.shards:
            together: dict[int, list[NDArray[Any]]] = {}
            for name, rows in _by_name(inputs, shard, adjust):
                if name not in person_of:
                    continue
                person = person_of[name]
                if person in place:
                    start = place[person] + filled[person]
                    spill[start : start + len(rows)] = rows
                    filled[person] += len(rows)
                else:
                    together.setdefault(person, []).append(rows)
            for person, parts in together.items():
                yield _sorted(person, np.concatenate(parts))
        for person, start in place.items():
            yield _sorted(person, np.array(spill[start : start + filled[person]]))
        del spill


def _by_name(inputs: Inputs, shard: str, adjust: Adjustments) -> Iterator[tuple[str, NDArray[Any]]]:
    faces = ClusteredFaces.read(inputs, shard, adjust)
    download = inputs.table("download", shard, ["key", "sha256"])
    found = rows_of(faces.keys, download["key"])
    images = download["sha256"].take(pa.array(found, mask=found < 0))
    persons = inputs.table("persons", shard, ["crop", "photo_hash"])
    hashes = persons["photo_hash"].take(pa.array(rows_of(pa.array(faces.crops), persons["crop"])))
    rows = np.zeros(len(faces.crops), _row(faces.features.shape[1]))
    rows["crop"] = faces.crops
    rows["sample"] = packed_keys(inputs, shard, pa.array(faces.crops), faces.keys)
    rows["image"] = strings(images)
    rows["hash"] = hashes.to_numpy()
    rows["feature"] = faces.features
    for name, of_name in faces.by_name():
        yield name, rows[of_name]


def _sorted(person: int, rows: NDArray[Any]) -> PersonFaces:
    return PersonFaces(person, rows[np.argsort(rows[["sample", "crop"]])])
