"""Planning an import: digest, size, person id and shard of every image."""

import hashlib
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from model.evaluation.readers.image_table import root_of
from model.prefetch import prefetch
from pipelines.base.batches import batched_by_weight
from pipelines.base.stage import Inputs, Outputs, Stage
from pipelines.sampling.placement import shuffle_numbers
from webbody.config import Count, Section
from webbody.images import ImageError, probe

#: The outcomes of images that are left out: the same bytes again, or under two people.
COPY, AMBIGUOUS = "image:duplicate", "image:two-people"
SCHEMA = pa.schema(
    [
        ("image", pa.string()),
        ("key", pa.string()),
        ("person", pa.int64()),
        ("sha256", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("outcome", pa.string()),
        ("track", pa.int64()),
        ("frame", pa.int32()),
    ]
)
_THREADS = min(16, os.cpu_count() or 1)
#: As many as a build's ids have.
_ID_BITS = 48
#: Rows that are made into a part of the table at a time.
_ROWS = 4096


class ImportPlanSettings(Section):
    """seed: of the order of the images. max_pixels: an image with more is left out."""

    seed: int
    samples_per_shard: Count
    max_pixels: int


class PlanImport(Stage[ImportPlanSettings]):
    """Reads every image once: `train-000000.parquet` ... are the shards' rows in their order.

    `left-out.parquet` has the rows of images that are not taken, with their outcomes. The frames of
    a track (`track`, null where there are none) lie in one shard, in their order (`frame`).
    """

    name = "plan"
    version = 2
    needs = ()

    def __init__(self, settings: ImportPlanSettings, source: str, images: pa.Table) -> None:
        super().__init__(settings)
        self._source, self._images = source, images

    def process(self, inputs: Inputs, outputs: Outputs) -> Mapping[str, int]:
        table = pa.concat_tables([SCHEMA.empty_table(), *self._parts()]).combine_chunks()
        outcome = _outcomes(table)
        kept = np.flatnonzero([one is None for one in outcome])
        table = table.set_column(
            table.schema.get_field_index("outcome"), "outcome", pa.array(outcome, pa.string())
        )
        groups = _groups(table.take(pa.array(kept)))
        order = np.argsort(shuffle_numbers(groups, self.settings.seed), kind="stable")
        shards = _cut([groups[row] for row in order], self.settings.samples_per_shard)
        for number, rows in enumerate(np.split(kept[order], shards[1:]) if len(kept) else []):
            outputs.table(table.take(pa.array(rows)), f"train-{number:06d}.parquet")
        left = np.setdiff1d(np.arange(len(table)), kept)
        outputs.table(table.take(pa.array(left)), "left-out.parquet")
        return {"in": len(table), "out": len(kept), "shards": len(shards)}

    def _parts(self) -> Iterator[pa.Table]:
        root = Path(root_of(self._images))
        numbers = person_numbers(self._source, self._images["person"].to_numpy())
        images = self._images["image"].to_pylist()
        with ThreadPoolExecutor(_THREADS) as pool:
            found = prefetch(pool, lambda image: self._look(root / image), images, 4 * _THREADS)
            tracks, frames = _tracks(self._images["track"].to_numpy())
            rows = (
                {"image": image, "person": person, "track": track, "frame": frame, **about}
                for image, person, track, frame, about in zip(
                    images, numbers.tolist(), tracks, frames, found, strict=True
                )
            )
            for window in batched_by_weight(rows, _ROWS, lambda row: 0, 0):
                yield pa.Table.from_pylist(window, SCHEMA)

    def _look(self, path: Path) -> dict[str, Any]:
        """The row of an image, without decoding it; its key is the digest of its bytes."""
        try:
            data = path.read_bytes()
        except OSError:
            return {"key": "", "outcome": "image:unreadable"}
        about = {
            "key": hashlib.blake2b(data, digest_size=10).hexdigest(),
            "sha256": hashlib.sha256(data).hexdigest(),
        }
        try:
            header = probe(data, self.settings.max_pixels)
        except ImageError as error:
            return {**about, "outcome": error.outcome}
        return {**about, "width": header.width, "height": header.height}


def _tracks(track_N: NDArray[np.int64]) -> tuple[list[int | None], list[int | None]]:
    """The track and the place in it of every image, in the order of the data set; None for none."""
    counted: dict[int, int] = {}
    frames: list[int | None] = []
    for track in track_N.tolist():
        frames.append(counted.get(track, 0) if track >= 0 else None)
        counted[track] = counted.get(track, 0) + 1
    return [track if track >= 0 else None for track in track_N.tolist()], frames


def _groups(table: pa.Table) -> list[str]:
    """What stays together: an image by its key, or a track."""
    return [
        key if track is None else f"track {track}"
        for key, track in zip(table["key"].to_pylist(), table["track"].to_pylist(), strict=True)
    ]


def _cut(groups: list[str], most: int) -> list[int]:
    """Where shards of about equal size begin, none within a group."""
    shards = -(-len(groups) // most)
    starts = [0] if groups else []
    for part in np.array_split(np.arange(len(groups)), shards)[1:] if shards else []:
        start = int(part[0])
        while start < len(groups) and groups[start] == groups[start - 1]:
            start += 1
        if starts[-1] < start < len(groups):
            starts.append(start)
    return starts


def person_numbers(source: str, people: NDArray[np.int64]) -> NDArray[np.int64]:
    """The ids (N,) of people by their numbers in a data set, of 48 bits as those of a build.

    They are drawn from the data set's name and the number, so that a person has the same id in
    every import, and ids of different data sets hardly ever meet: readers may join folders.
    """
    known, places = np.unique(people, return_inverse=True)
    used: set[int] = set()
    ids = np.zeros(len(known), np.int64)
    for place, number in enumerate(known.tolist()):
        attempt = 0
        while (drawn := _drawn(source, number, attempt)) in used:
            attempt += 1
        used.add(drawn)
        ids[place] = drawn
    return np.asarray(ids[places.ravel()])


def _drawn(source: str, number: int, attempt: int) -> int:
    text = f"{source}/{number}" + f"/{attempt}" * (attempt > 0)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=_ID_BITS // 8).digest())


def _outcomes(table: pa.Table) -> list[str | None]:
    """The outcomes, with those of images whose bytes occur more than once."""
    outcome: list[str | None] = table["outcome"].to_pylist()
    key = np.array(table["key"].to_pylist(), "S20")
    person = table["person"].to_numpy()
    usable = np.flatnonzero([one is None for one in outcome])
    if not len(usable):
        return outcome
    usable = usable[np.argsort(key[usable], kind="stable")]
    starts = np.flatnonzero(np.append(True, key[usable][1:] != key[usable][:-1]))
    ends = np.append(starts[1:], len(usable))
    for start, end in zip(starts, ends, strict=True):
        if end - start > 1:
            same = usable[start:end]
            alone = (person[same] == person[same[0]]).all()
            for row in same[1:] if alone else same:
                outcome[row] = COPY if alone else AMBIGUOUS
    return outcome
