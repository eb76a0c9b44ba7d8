"""The header of a JPEG 2000: the size in its code stream (ITU-T T.800, annexes A.5 and I)."""

import struct

from webbody.picture_files.boxes import boxes
from webbody.picture_files.errors import ImageError, check_pixels
from webbody.picture_files.icc import MAX_PROFILE
from webbody.picture_files.parsed import Parsed

#: Grey or RGB, with alpha; or CMYK.
_MAX_CHANNELS = 4
MAX_TILES = 65_535


def parse_jpeg2000(data: bytes, max_pixels: int | None) -> Parsed:
    """Raises ImageError for sizes, tiles or channels beyond the limits."""
    stream, profile = 0, None
    if not data.startswith(b"\xff\x4f"):
        found = {name: (at, to) for name, at, to in boxes(data, 0, len(data), whole=False)}
        stream = found.get(b"jp2c", (len(data), 0))[0]
        profile = _profile(data, *found.get(b"jp2h", (0, 0)))
    siz = data[stream + 2 : stream + 42]
    if len(siz) < 40:
        raise ImageError("image:truncated", "the header ends early")
    if siz[:2] != b"\xff\x51":
        raise ImageError("image:unreadable", "no code stream")
    right, bottom, left, top, across, down = struct.unpack(">6I", siz[6:30])
    channels = int.from_bytes(siz[38:40], "big")
    check_pixels(right - left, bottom - top, max_pixels)
    if channels > _MAX_CHANNELS:
        raise ImageError("image:unsupported-format", f"JPEG 2000 of {channels} channels")
    if across < 1 or down < 1 or -(-right // across) * -(-bottom // down) > MAX_TILES:
        raise ImageError("image:unreadable", f"tiles of {across} x {down} pixels")
    return Parsed(right - left, bottom - top, profile=profile)


def _profile(data: bytes, start: int, end: int) -> bytes | None:
    for name, at, to in boxes(data, start, end):
        if name == b"colr" and data[at : at + 1] == b"\2" and to - at <= MAX_PROFILE:
            return data[at + 3 : to]
    return None
