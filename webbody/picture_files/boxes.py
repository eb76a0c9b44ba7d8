"""Boxes of ISO base media files: AVIF, HEIC, JPEG 2000 (ISO/IEC 14496-12, section 4.2)."""

from collections.abc import Iterator
from typing import NamedTuple

from webbody.picture_files.errors import ImageError

#: Boxes in one other; a photo of 48 million pixels has about 200 of a kind.
MAX_BOXES = 2_000


class Box(NamedTuple):
    """A box by its name and by where its content starts and ends in the file."""

    name: bytes
    start: int
    end: int


def boxes(data: bytes, start: int, end: int, whole: bool = True) -> Iterator[Box]:
    """The boxes between two places of a file.

    One that reaches beyond `end` is the last; it is left out where they shall be `whole`. Raises
    ImageError where there are more than allowed.
    """
    for _ in range(MAX_BOXES):
        if start + 8 > end:
            return
        size, head = number(data, start, 4), 8
        if size == 1:
            size, head = number(data, start + 8, 8), 16
        elif size == 0:
            size = end - start
        if size < head or (whole and start + size > end):
            return
        yield Box(bytes(data[start + 4 : start + 8]), start + head, start + size)
        start += size
    raise ImageError("image:unreadable", f"more than {MAX_BOXES:,} boxes")


def number(data: bytes, at: int, size: int) -> int:
    """The big-endian number of `size` bytes; raises IndexError at the end of the file."""
    if at + size > len(data):
        raise IndexError(at)
    return int.from_bytes(data[at : at + size], "big")


def ends_early(data: bytes) -> bool:
    """Whether the last box reaches beyond the file."""
    try:
        last = [box.end for box in boxes(data, 0, len(data), whole=False)][-1:]
    except (ImageError, IndexError):
        return False
    return bool(last) and last[0] > len(data)
