"""The scans of a JPEG: where their pieces end, and how many there must be (ITU-T T.81, annexes A.2
and B.2).

With a restart interval a scan is cut into pieces of so many units, with the markers RST0 to RST7 in
turn between them.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

_SOI, _EOI, _SOS, _DRI, _TEM = 0xD8, 0xD9, 0xDA, 0xDD, 0x01
_RST0, _RST7 = 0xD0, 0xD7
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
#: Any marker, but for stuffed zeros and fill bytes.
_MARKER = re.compile(rb"\xff[^\x00\xff]")


@dataclass(frozen=True)
class Scan:
    """One scan.

    ends: where each piece of it ends, at a marker. restarts: numbers 0..7 of the markers between
    them. interval: units of a piece, 0 where the scan is one piece. across, down: units in a row
    and in a column. unit: width and height of one in pixels of the picture.
    """

    ends: list[int]
    restarts: list[int]
    interval: int
    across: int
    down: int
    unit: tuple[int, int]

    @property
    def damage(self) -> str:
        """What is wrong with the restart markers; "" for nothing.

        One more behind the last piece harms nobody, and some encoders write it.
        """
        for place, number in enumerate(self.restarts):
            if number != place % 8:
                return f"restart marker {number} in place of {place % 8}"
        pieces = -(-self.across * self.down // self.interval) if self.interval else 1
        extra = len(self.restarts) + 1 - pieces
        if extra not in ((0, 1) if self.interval else (0,)):
            return f"{len(self.restarts):,} restart markers in place of {pieces - 1:,}"
        return ""

    def last_pixels(self, width: int, height: int) -> Iterator[tuple[int, int]]:
        """A pixel (x, y) of the last unit of each piece, in a picture of this size.

        One inside the edge: at the edge decoders mix the colours of neighbours.
        """
        total, step = self.across * self.down, self.interval or self.across * self.down
        for begin in range(0, total, step):
            row, column = divmod(min(begin + step, total) - 1, self.across)
            yield (
                max(min((column + 1) * self.unit[0], width) - 2, column * self.unit[0]),
                max(min((row + 1) * self.unit[1], height) - 2, row * self.unit[1]),
            )


def scans(data: bytes) -> Iterator[Scan]:
    """All scans up to the end of the picture; none where the headers make no sense."""
    frame: tuple[int, int, dict[int, tuple[int, int]]] | None = None
    interval, position = 0, 2
    while found := _MARKER.search(data, position):
        marker, start = data[found.start() + 1], found.end()
        if marker in (_SOI, _TEM) or _RST0 <= marker <= _RST7:
            position = start
            continue
        if marker == _EOI or start + 2 > len(data):
            return
        position = start + int.from_bytes(data[start : start + 2], "big")
        body = data[start + 2 : position]
        if marker in _FRAMES and frame is None:
            frame = _frame(body)
        elif marker == _DRI and len(body) == 2:
            interval = int.from_bytes(body, "big")
        elif marker == _SOS and body:
            shape = _shape(frame, body[1 : 1 + 2 * body[0] : 2])
            if shape is None:
                return
            ends, restarts = [], []
            for found in _MARKER.finditer(data, position):
                # Fill bytes before a marker belong to it.
                ends.append(found.start())
                if not _RST0 <= data[found.start() + 1] <= _RST7:
                    break
                restarts.append(data[found.start() + 1] - _RST0)
            yield Scan(ends, restarts, interval, *shape)
            position = ends[-1] if ends else len(data)


def _frame(body: bytes) -> tuple[int, int, dict[int, tuple[int, int]]] | None:
    """Width, height, and the sampling factors of each component; None where they make no sense."""
    if len(body) < 6:
        return None
    height, width, count = struct.unpack(">xHHB", body[:6])
    factors = {
        body[at]: (body[at + 1] >> 4, body[at + 1] & 15)
        for at in range(6, min(6 + 3 * count, len(body) - 2), 3)
    }
    if not width or not height or not factors or len(factors) != count:
        return None
    return None if any(0 in pair for pair in factors.values()) else (width, height, factors)


def _shape(
    frame: tuple[int, int, dict[int, tuple[int, int]]] | None, components: bytes
) -> tuple[int, int, tuple[int, int]] | None:
    """Units across and down of a scan of some components, and the size of a unit in pixels."""
    if frame is None or not components or any(one not in frame[2] for one in components):
        return None
    width, height, factors = frame
    widest, highest = (max(pair[i] for pair in factors.values()) for i in (0, 1))
    if len(components) > 1:
        unit = 8 * widest, 8 * highest
        return -(-width // unit[0]), -(-height // unit[1]), unit
    # A component alone has blocks for its own samples only.
    wide, high = factors[components[0]]
    samples = -(-width * wide // widest), -(-height * high // highest)
    unit = 8 * widest // wide, 8 * highest // high
    return -(-samples[0] // 8), -(-samples[1] // 8), unit
