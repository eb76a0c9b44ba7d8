"""The downloaded photos of a shard, decoded a few ahead of whoever looks at them."""

import hashlib
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from model.prefetch import prefetch
from pipelines.base.stage import Inputs
from webbody.decoders.pool import Decoders
from webbody.images import MAX_PIXELS, RGB, ImageError


@dataclass
class DownloadedPhoto:
    """A downloaded photo: its row, and its pixels or the reason of its rejection."""

    row: dict[str, Any]
    image: RGB | ImageError

    @property
    def key(self) -> str:
        return str(self.row["key"])

    @property
    def pixels(self) -> int:
        return 0 if isinstance(self.image, ImageError) else self.image.size // 3


def read_photos(
    inputs: Inputs,
    pool: ThreadPoolExecutor,
    decoders: Decoders,
    ahead: int,
    among: Collection[str] | None = None,
) -> Iterator[DownloadedPhoto]:
    """The downloaded photos of a shard in the order of the table.

    Args:
        inputs: With the outputs of `download`.
        pool: Decodes them.
        decoders: Of untrusted pictures.
        ahead: How many are decoded before they are asked for.
        among: Keys of those that are wanted; all without it.
    """
    good = [
        row
        for row in inputs.table("download").to_pylist()
        if row["outcome"] is None and (among is None or row["key"] in among)
    ]
    if not good:
        return
    with inputs.random_access("download") as tar:
        sources = ((row, tar.read(row["offset"], row["length"])) for row in good)
        yield from prefetch(
            pool, lambda one: DownloadedPhoto(one[0], decoded_photo(*one, decoders)), sources, ahead
        )


def decoded_photo(row: Mapping[str, Any], data: bytes, decoders: Decoders) -> RGB | ImageError:
    """Decode a downloaded photo upright, or return the error; row: of `download`."""
    if hashlib.sha256(data).hexdigest() != row["sha256"]:
        # A damaged disk must not turn good photos into unreadable ones.
        raise OSError(
            f"the tar of downloads is damaged at {row['key']}; remove it to fetch it anew"
        )
    try:
        # The limit is the size that the header declared at the download.
        return decoders.decode(data, _room(row["width"] * row["height"]))
    except ImageError as error:
        return error


def _room(pixels: int) -> int:
    """The limit for a photo that the download allowed: tiles of small ones take more than show."""
    return max(2 * pixels, MAX_PIXELS)
