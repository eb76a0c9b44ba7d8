"""Where the pictures that corrections name are in a build."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.corrections.correction import CropReference
from webbody.geometry import overlaps

#: Two rectangles of one picture with at least this overlap (intersection over union) are the same
#: person; another detector's box differs by less, other people's boxes by more.
SAME_AREA = 0.5

#: Columns of a shard's table of a stage; None where it is not there.
ReadColumns = Callable[[str, str, list[str]], pa.Table | None]


@dataclass(frozen=True)
class LocatedCrop:
    """A crop of a build: its shard, working keys of crop and row, and the row's name."""

    shard: str
    crop: str
    key: str
    name: str


#: Where each reference is found: once for each row (name) that has the picture.
Located = Mapping[CropReference, Sequence[LocatedCrop]]


def locate(
    references: Iterable[CropReference], shards: Iterable[str], read: ReadColumns
) -> Located:
    """Find crops by their pictures' bytes and by where they lie in them.

    A reference that is not found is not in the result.
    """
    wanted: dict[str, list[CropReference]] = defaultdict(list)
    for one in sorted(set(references), key=lambda one: (one.sha256, one.area)):
        wanted[one.sha256].append(one)
    out: dict[CropReference, list[LocatedCrop]] = defaultdict(list)
    if not wanted:
        return out
    digests = pa.array(sorted(wanted))
    for shard in shards:
        photos = read("download", shard, ["key", "sha256", "width", "height"])
        if photos is None:
            continue
        photos = photos.filter(pc.is_in(photos["sha256"], value_set=digests))
        if not len(photos):
            continue
        crops = _crops(read, shard, photos["key"])
        names = _names(read, shard, photos["key"])
        for photo in photos.to_pylist():
            for reference in wanted[photo["sha256"]]:
                crop = _closest(reference, photo, crops[photo["key"]])
                if crop is not None:
                    key = photo["key"]
                    out[reference].append(LocatedCrop(shard, crop, key, names.get(key, "")))
    return out


def fractions(area: Sequence[int], width: int, height: int) -> tuple[float, float, float, float]:
    """An area in pixels as fractions of a picture's sides, to four digits."""
    left, top, right, bottom = area
    return (
        round(left / width, 4),
        round(top / height, 4),
        round(right / width, 4),
        round(bottom / height, 4),
    )


def _crops(
    read: ReadColumns, shard: str, keys: pa.ChunkedArray
) -> Mapping[str, list[dict[str, Any]]]:
    """The crops of each picture."""
    out: dict[str, list[dict[str, Any]]] = defaultdict(list)
    persons = read("persons", shard, ["crop", "key", "area"])
    if persons is not None:
        there = persons.filter(pc.is_in(persons["key"], value_set=keys.combine_chunks()))
        for row in there.to_pylist():
            if row["area"] is not None:
                out[row["key"]].append(row)
    return out


def _names(read: ReadColumns, shard: str, keys: pa.ChunkedArray) -> Mapping[str, str]:
    # A row's key is a digest of its URL and its name: so this is no further input of who reads it.
    plan = read("plan", shard, ["key", "name"])
    if plan is None:
        return {}
    there = plan.filter(pc.is_in(plan["key"], value_set=keys.combine_chunks()))
    return dict(zip(there["key"].to_pylist(), there["name"].to_pylist(), strict=True))


def _closest(
    reference: CropReference, photo: Mapping[str, Any], crops: Sequence[Mapping[str, Any]]
) -> str | None:
    """The crop that covers the reference's place best, if any does well enough."""
    if not crops:
        return None
    areas = [fractions(row["area"], photo["width"], photo["height"]) for row in crops]
    shares = overlaps(np.array(areas), np.array([reference.area]))[:, 0]
    best = int(shares.argmax())
    return str(crops[best]["crop"]) if shares[best] >= SAME_AREA else None
