"""Sizes that coded pictures declare: AV1 (section 5.5) and HEVC (ITU-T H.265, section 7.3.2)."""

from collections.abc import Iterator

_SEQUENCE_HEADER, _SPS = 1, 33


class _Bits:
    """Reads a header bit by bit; IndexError at its end."""

    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data, "big"), 8 * len(data)

    def read(self, count: int) -> int:
        self._left -= count
        if self._left < 0:
            raise IndexError(count)
        return self._value >> self._left & ((1 << count) - 1)

    def golomb(self) -> int:
        """An unsigned Exp-Golomb number (H.265, section 9.2); AV1's uvlc is the same."""
        zeros = 0
        while not self.read(1):
            zeros += 1
            if zeros > 31:
                raise IndexError(zeros)
        return (1 << zeros) - 1 + self.read(zeros)


def av1_sizes(data: bytes) -> Iterator[tuple[int, int]]:
    """Largest width and height of each sequence header among the units (AV1, section 5.3)."""
    at = 0
    while at < len(data):
        head = data[at]
        at += 2 if head & 4 else 1
        size = len(data) - at
        if head & 2:
            size, shift = 0, 0
            while True:
                byte = data[at]
                size, shift, at = size | (byte & 127) << shift, shift + 7, at + 1
                if byte < 128 or shift > 56:
                    break
        if head >> 3 & 15 == _SEQUENCE_HEADER:
            yield _av1_sequence(_Bits(data[at : at + min(size, 512)]))
        at += size


def _av1_sequence(bits: _Bits) -> tuple[int, int]:
    bits.read(4)  # profile, still picture
    if bits.read(1):  # reduced header
        bits.read(5)
    else:
        delay = 0
        if bits.read(1):  # timing
            bits.read(64)
            if bits.read(1):
                bits.golomb()
            if bits.read(1):  # decoder model
                delay = bits.read(5) + 1
                bits.read(42)
        display = bits.read(1)
        for _ in range(bits.read(5) + 1):
            bits.read(12)
            if bits.read(5) > 7:
                bits.read(1)
            if delay and bits.read(1):
                bits.read(2 * delay + 1)
            if display and bits.read(1):
                bits.read(4)
    wide, high = bits.read(4) + 1, bits.read(4) + 1
    return bits.read(wide) + 1, bits.read(high) + 1


def hevc_sizes(configuration: bytes, content: bytes) -> Iterator[tuple[int, int]]:
    """Width and height of each sequence parameter set, in the configuration (ISO/IEC 14496-15,
    section 8.3.3) and among the units of the content."""
    at = 23
    for _ in range(configuration[22]):
        count, at = int.from_bytes(configuration[at + 1 : at + 3], "big"), at + 3
        for _ in range(count):
            size = int.from_bytes(configuration[at : at + 2], "big")
            yield from _hevc_unit(configuration[at + 2 : at + 2 + size])
            at += 2 + size
            if at > len(configuration):
                raise IndexError(at)
    wide, at = (configuration[21] & 3) + 1, 0
    while at + wide < len(content):
        size, at = int.from_bytes(content[at : at + wide], "big"), at + wide
        yield from _hevc_unit(content[at : at + min(size, 4096)])
        at += size


def _hevc_unit(unit: bytes) -> Iterator[tuple[int, int]]:
    if len(unit) < 3 or unit[0] >> 1 & 63 != _SPS:
        return
    bits = _Bits(unit[2:].replace(b"\0\0\3", b"\0\0"))
    bits.read(4)
    layers = bits.read(3)
    bits.read(1 + 96)  # profile, tier and level
    there = [(bits.read(1), bits.read(1)) for _ in range(layers)]
    if layers:
        bits.read(2 * (8 - layers))
    for profile, level in there:
        bits.read(88 * profile + 8 * level)
    bits.golomb()
    if bits.golomb() == 3:
        bits.read(1)
    yield bits.golomb(), bits.golomb()
