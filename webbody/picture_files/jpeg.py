"""The header of a JPEG: what decides about pixels, and limits on the rest (ITU-T T.81, annex B).

Segments that only describe (EXIF, XMP, thumbnails, comments) never reach the decoder: a file of
thousands of them costs no more than one pass over their lengths.
"""

import re
import struct
from collections.abc import Iterator

from webbody.picture_files.errors import ImageError
from webbody.picture_files.exif import orientation
from webbody.picture_files.icc import MAX_PROFILE
from webbody.picture_files.parsed import Parsed

#: Segments before the pixels; a large profile has 255, long XMP a few hundred.
MAX_SEGMENTS = 2_000
#: Encoders write about 10 progressive scans; each costs a pass over all pixels.
MAX_SCANS = 32

_SOI, _EOI, _SOS, _COM, _EXIF, _PROFILE = 0xD8, 0xD9, 0xDA, 0xFE, 0xE1, 0xE2
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_SEQUENTIAL = (0xC0, 0xC1)
#: Markers, but for stuffed zeros, restarts and fill bytes.
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


def parse_jpeg(data: bytes) -> Parsed:
    """Raises ImageError for more segments or scans than allowed, and for samples of other than 8
    bits; whatever else is wrong is left to the decoder to find."""
    spans = [(0, 2)]
    pieces: dict[int, bytes] = {}
    width = height = channels = frame = 0
    turned: int | None = None
    plain = False
    for marker, start, end in _segments(data, 2):
        body = data[start + 4 : end]
        if marker == _SOS:
            one_scan = frame in _SEQUENTIAL and body[:1] == bytes([channels])
            if not one_scan:
                _check_scans(data, start)
            plain = one_scan and channels in (1, 3) and not pieces and turned in (None, 1)
            spans.append((start, len(data)))
            break
        if marker in _FRAMES and not frame and len(body) >= 6:
            bits, height, width, channels = struct.unpack(">BHHB", body[:6])
            frame = marker
            if bits != 8:
                raise ImageError("image:unsupported-format", f"JPEG of {bits} bits")
        elif marker == _EXIF and turned is None and body.startswith(b"Exif\0"):
            turned = orientation(body)
        elif marker == _PROFILE and body.startswith(b"ICC_PROFILE\0"):
            pieces.setdefault(int.from_bytes(body[12:14], "big"), body[14:])
        if _matters(marker, body):
            spans.append((start, end))
    return Parsed(width, height, tuple(spans), turned or 1, _joined(pieces), plain)


def _segments(data: bytes, position: int) -> Iterator[tuple[int, int, int]]:
    """Marker, start and end of each segment up to the first scan's; ImageError for too many."""
    for _ in range(MAX_SEGMENTS):
        found = _MARKER.search(data, position)
        if found is None or found.end() + 2 > len(data):
            return
        start, marker = found.start(), data[found.start() + 1]
        if marker in (_SOI, 1):
            position = start + 2
            continue
        position = start + 2 + int.from_bytes(data[start + 2 : start + 4], "big")
        yield marker, start, min(position, len(data))
        if marker in (_SOS, _EOI):
            return
    raise ImageError("image:unreadable", f"more than {MAX_SEGMENTS:,} segments before the pixels")


def _matters(marker: int, body: bytes) -> bool:
    """Whether a segment decides about pixels; of the applications' those do that name colours."""
    if marker == _COM or 0xE0 <= marker <= 0xEF:
        return body.startswith((b"JFIF\0", b"Adobe")) and marker in (0xE0, 0xEE)
    return True


def _joined(pieces: dict[int, bytes]) -> bytes | None:
    """The ICC profile of its segments, by number and count of each (ICC.1:2022, annex B.4)."""
    if not pieces or sorted(pieces) != [i << 8 | len(pieces) for i in range(1, len(pieces) + 1)]:
        return None
    whole = b"".join(pieces[key] for key in sorted(pieces))
    return whole if len(whole) <= MAX_PROFILE else None


def _check_scans(data: bytes, position: int) -> None:
    """Count scans up to the end of the picture; what follows it is another file."""
    scans = 0
    while (found := _MARKER.search(data, position)) and (marker := data[found.start() + 1]) != _EOI:
        scans += marker == _SOS
        if scans > MAX_SCANS:
            raise ImageError("image:too-large", f"more than {MAX_SCANS} scans")
        length = int.from_bytes(data[found.end() : found.end() + 2], "big")
        position = found.end() + (0 if marker in (_SOI, 1) else length)
