"""The header of a PNG: the chunks that decide about pixels, whatever the others hold (PNG, third
edition, W3C 2025, sections 5, 11 and 13.1).

Text, times, sizes and animation frames never reach the decoder, nor do chunks whose checksum is
wrong: an ancillary chunk does not spoil a picture.
"""

import struct
import zlib

from webbody.picture_files.cicp import coded_profile
from webbody.picture_files.errors import ImageError
from webbody.picture_files.exif import orientation
from webbody.picture_files.icc import MAX_PROFILE
from webbody.picture_files.made_profile import SRGB_CURVE, Chromaticities, gamma, made_profile
from webbody.picture_files.parsed import Parsed

#: Encoders cut pixels into pieces of 8 kB and more.
MAX_CHUNKS = 20_000
#: Larger descriptions of colour or EXIF are not read.
_MAX_CHUNK = 8_000_000
_PIXELS = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
_READ = (b"tRNS", b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"cICP", b"eXIf")
#: A gamma within this factor of sRGB's (1/2.2) is written for sRGB's own curve.
_NEAR_SRGB = 0.05


def parse_png(data: bytes) -> Parsed:
    """Raises ImageError where there are more chunks than allowed."""
    spans: list[tuple[int, int]] = [(0, 8)]
    found: dict[bytes, bytes] = {}
    position, chunks = 8, 0
    while position + 8 <= len(data):
        length, name = (
            int.from_bytes(data[position : position + 4], "big"),
            data[position + 4 : position + 8],
        )
        end = position + 12 + length
        keep = name in _PIXELS
        if name in _READ and name not in found and length <= _MAX_CHUNK and end <= len(data):
            right = int.from_bytes(data[end - 4 : end], "big") == zlib.crc32(
                data[position + 4 : end - 4]
            )
            if right:
                found[name] = data[position + 8 : end - 4]
                keep = name == b"tRNS"
        if keep:
            last = spans[-1]
            whole = (position, min(end, len(data)))
            spans[-1:] = [(last[0], whole[1])] if last[1] == position else [last, whole]
        chunks += 1
        if chunks > MAX_CHUNKS:
            raise ImageError("image:unreadable", f"more than {MAX_CHUNKS:,} chunks")
        if name == b"IEND":
            break
        position = end
    width, height = struct.unpack(">II", data[16:24]) if len(data) >= 24 else (0, 0)
    turned = orientation(found.get(b"eXIf", b""))
    return Parsed(width, height, tuple(spans), turned, _profile(found))


def _profile(found: dict[bytes, bytes]) -> bytes | None:
    """What the samples mean: cICP before iCCP before sRGB before gAMA (section 4.3).

    A gAMA with a cHRM is taken as it says, one without stands for sRGB's primaries; near 1/2.2 it
    is what encoders write beside sRGB samples, whose curve it approximates. cHRM alone says too
    little, and browsers ignore it.
    """
    if len(code := found.get(b"cICP", b"")) == 4 and code[2] == 0:
        return coded_profile(code[0], code[1])
    if b"iCCP" in found and (profile := _unpacked(found[b"iCCP"])) is not None:
        return profile
    power = int.from_bytes(found.get(b"gAMA", b""), "big")
    if len(found.get(b"sRGB", b"")) == 1 or len(found.get(b"gAMA", b"")) != 4 or power == 0:
        return None
    near = abs(power / 100_000 * 2.2 - 1) <= _NEAR_SRGB
    curve = SRGB_CURVE if near else gamma(100_000 / power)
    corners = Chromaticities()
    if len(found.get(b"cHRM", b"")) == 32:
        values = [value / 100_000 for value in struct.unpack(">8I", found[b"cHRM"])]
        white, red, green, blue = zip(values[::2], values[1::2], strict=True)
        corners = Chromaticities(red, green, blue, white)
    if near and corners.near(Chromaticities()):
        return None
    return made_profile(corners, curve)


def _unpacked(chunk: bytes) -> bytes | None:
    """The profile in an iCCP: a name, a zero, the method 0, and zlib's form of it."""
    name, zero, packed = chunk.partition(b"\0")
    if not zero or len(name) > 79 or packed[:1] != b"\0":
        return None
    unpacking = zlib.decompressobj()
    try:
        profile = unpacking.decompress(packed[1:], MAX_PROFILE + 1)
    except zlib.error:
        return None
    return profile if unpacking.eof and len(profile) <= MAX_PROFILE else None
