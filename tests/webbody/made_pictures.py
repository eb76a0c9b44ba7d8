"""Picture files for tests: written by Pillow and pillow-heif, or put together byte by byte."""

import io
import struct
import zlib

import numpy as np
from PIL import Image


def picture(width: int = 60, height: int = 40, seed: int = 0) -> Image.Image:
    """Smooth noise, different in every corner."""
    noise = np.random.default_rng(seed).integers(0, 255, (3, 4, 3), np.uint8)
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    """The file of a picture; `kind` is Pillow's name of the format, or HEIF."""
    buffer = io.BytesIO()
    if kind == "HEIF":
        from pillow_heif import from_pillow

        from_pillow(image).save(buffer, **options)
    else:
        image.save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(name: bytes, body: bytes, checksum: int | None = None) -> bytes:
    """A chunk of a PNG."""
    right = zlib.crc32(name + body) if checksum is None else checksum
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", right)


def with_chunks(png: bytes, *chunks: bytes) -> bytes:
    """A PNG with more chunks behind its header."""
    return png[:33] + b"".join(chunks) + png[33:]


def segment(marker: int, body: bytes) -> bytes:
    """A segment of a JPEG."""
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def box(name: bytes, *parts: bytes) -> bytes:
    """A box of an AVIF or HEIC."""
    body = b"".join(parts)
    return struct.pack(">I", len(body) + 8) + name + body
