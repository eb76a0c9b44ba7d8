"""The table that every reader of images returns."""

import os
from collections.abc import Iterable
from typing import NamedTuple

import pyarrow as pa

#: image: its path below the data set's folder, with `/`. person, camera, clothes, track: -1 where
#: the data set does not tell. role: query (PRCC: query_same, query_diff), gallery or train.
SCHEMA = pa.schema(
    [
        ("image", pa.string()),
        ("person", pa.int64()),
        ("camera", pa.int64()),
        ("clothes", pa.int64()),
        ("role", pa.string()),
        ("track", pa.int64()),
    ]
)

_ROOT = b"webbody.root"


class ImageRow(NamedTuple):
    """An image; `outfit` names what the person wears, in any words, None where unknown."""

    image: str
    person: int
    role: str
    camera: int = -1
    outfit: str | None = None
    track: int = -1


def image_table(rows: Iterable[ImageRow], root: str | os.PathLike[str] = "") -> pa.Table:
    """The rows as a table; outfits are numbered in the order of their names, over all roles.

    root: the folder that the images' paths start at; `root_of` tells it.
    """
    rows = list(rows)
    outfits = sorted({row.outfit for row in rows if row.outfit is not None})
    number: dict[str | None, int] = {outfit: place for place, outfit in enumerate(outfits)}
    columns = {
        "image": [row.image for row in rows],
        "person": [row.person for row in rows],
        "camera": [row.camera for row in rows],
        "clothes": [number.get(row.outfit, -1) for row in rows],
        "role": [row.role for row in rows],
        "track": [row.track for row in rows],
    }
    return pa.table(columns, SCHEMA).replace_schema_metadata({_ROOT: os.fspath(root)})


def root_of(table: pa.Table) -> str:
    """The folder below which the images of a table lie; empty where they name shards."""
    root: str = (table.schema.metadata or {}).get(_ROOT, b"").decode()
    return root
