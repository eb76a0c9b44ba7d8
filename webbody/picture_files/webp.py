"""The header of a WebP: canvas, profile and orientation (RFC 9649, section 2)."""

from webbody.picture_files.errors import ImageError
from webbody.picture_files.exif import orientation
from webbody.picture_files.icc import MAX_PROFILE
from webbody.picture_files.parsed import Parsed

#: A long animation has a chunk for each frame.
MAX_CHUNKS = 100_000


def parse_webp(data: bytes) -> Parsed:
    """Raises ImageError where the canvas cannot be told, or there are more chunks than allowed."""
    width, height = _canvas(data)
    found: dict[bytes, bytes] = {}
    position, chunks = 12, 0
    while data[12:16] == b"VP8X" and position + 8 <= len(data):
        name = data[position : position + 4]
        length = int.from_bytes(data[position + 4 : position + 8], "little")
        if name in (b"ICCP", b"EXIF") and name not in found and length <= MAX_PROFILE:
            found[name] = data[position + 8 : position + 8 + length]
        chunks += 1
        if chunks > MAX_CHUNKS:
            raise ImageError("image:unreadable", f"more than {MAX_CHUNKS:,} chunks")
        position += 8 + length + length % 2
    turned = orientation(found.get(b"EXIF", b""))
    return Parsed(width, height, None, turned, found.get(b"ICCP"))


def _canvas(data: bytes) -> tuple[int, int]:
    chunk, body = data[12:16], data[20:30]
    if len(body) < 10:
        raise ImageError("image:truncated", "the header ends early")
    if chunk == b"VP8X":
        return (
            int.from_bytes(body[4:7], "little") + 1,
            int.from_bytes(body[7:10], "little") + 1,
        )
    if chunk == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if chunk == b"VP8 ":
        return (
            int.from_bytes(body[6:8], "little") & 0x3FFF,
            int.from_bytes(body[8:10], "little") & 0x3FFF,
        )
    raise ImageError("image:unreadable", f"WebP chunk {chunk!r}")
