"""The damaged members of a tar, by the digests in the shard's table."""

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

from webbody.parquet_tables import read_parquet
from webbody.storage import Folder


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _blake2b(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=10).hexdigest()


#: Of each stage with tars: the columns of a member's name and of its digest, and the digest.
_DIGESTS: dict[str, tuple[str, str, Callable[[bytes], str]]] = {
    "download": ("key", "sha256", _sha256),
    "persons": ("crop", "digest", _blake2b),
    "crops": ("crop", "digest", _blake2b),
    "pack": ("key", "sha256", _sha256),
}


def damaged_members(folder: Folder, stage: str, shard: str) -> list[str]:
    """The pictures of a shard's tar that are not what the shard's table says, by their keys.

    The table itself must be sound. None where the damage is elsewhere in the tar.
    """
    name, _, _ = _DIGESTS[stage]
    return [row[name] for row, data in intact_members(folder, stage, shard) if data is None]


def intact_members(
    folder: Folder, stage: str, shard: str
) -> Iterator[tuple[dict[str, Any], bytes | None]]:
    """Each row of a shard's table that has a picture, and its bytes; None if they are damaged."""
    _, column, digest = _DIGESTS[stage]
    with folder.open(f"{stage}/{shard}.parquet") as file:
        rows = read_parquet(file).to_pylist()
    with folder.open(f"{stage}/{shard}.tar") as tar:
        for row in rows:
            if row["offset"] is None:
                continue
            tar.seek(row["offset"])
            data = tar.read(row["length"])
            yield row, data if digest(data) == row[column] else None
