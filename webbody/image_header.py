"""What an image is by its first bytes: format, size, orientation, and the limits on them.

Sizes are checked against the header, before a pixel is decoded or a canvas allocated.
"""

import io
from dataclasses import dataclass

from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

#: Readers by file extension. Called directly, because Image.open also tries formats that nobody
#: puts on a web page and has a pixel limit of its own.
_READERS: dict[str, type[ImageFile.ImageFile]] = {
    "jpg": JpegImagePlugin.JpegImageFile,
    "png": PngImagePlugin.PngImageFile,
    "webp": WebPImagePlugin.WebPImageFile,
    "gif": GifImagePlugin.GifImageFile,
    "bmp": BmpImagePlugin.BmpImageFile,
    "tif": TiffImagePlugin.TiffImageFile,
}


class ImageError(Exception):
    """An image that cannot be used: `outcome` is its ledger outcome, `detail` says why."""

    def __init__(self, outcome: str, detail: str) -> None:
        super().__init__(f"{outcome}: {detail}")
        self.outcome = outcome
        self.detail = detail

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        return (type(self), (self.outcome, self.detail))


@dataclass(frozen=True)
class Header:
    """What the first bytes of an image say.

    `format` is the file extension (jpg, png, webp, gif, bmp, tif); `width` and `height` are those
    of the upright image in pixels; `orientation` is the EXIF value 1..8 that makes it upright.
    """

    format: str
    width: int
    height: int
    orientation: int = 1


def sniff(data: bytes) -> str | None:
    """The format by its magic bytes, as a file extension; None for anything else."""
    if data.startswith(b"\xff\xd8\xff"):
        return "jpg"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "webp"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    if data.startswith(b"BM"):
        return "bmp"
    if data.startswith((b"II*\0", b"MM\0*")):
        return "tif"
    return None


def probe(data: bytes, max_pixels: int | None = None) -> Header:
    """Format and upright size, without decoding a pixel.

    Raises ImageError `image:not-an-image`, `image:too-large` (more than `max_pixels`),
    `image:truncated` or `image:unreadable`.
    """
    return open_image(data, max_pixels)[1]


def open_image(data: bytes, max_pixels: int | None) -> tuple[ImageFile.ImageFile, Header]:
    """The reader with its header parsed, and nothing decoded."""
    kind = sniff(data)
    if kind is None:
        raise ImageError("image:not-an-image", _describe(data))
    if kind == "webp":  # its reader allocates the canvas at once
        _check_pixels(*_webp_canvas(data), max_pixels)
    try:
        image = _READERS[kind](io.BytesIO(data))
        orientation = _orientation(image)
    except Exception as error:
        raise failure(data, kind, error) from error
    width, height = image.size
    _check_pixels(width, height, max_pixels)
    if kind != "tif" and orientation >= 5:  # Pillow turns TIFF by itself
        width, height = height, width
    return image, Header(kind, width, height, orientation)


def _check_pixels(width: int, height: int, max_pixels: int | None) -> None:
    if width < 1 or height < 1:
        raise ImageError("image:unreadable", f"{width} x {height} pixels")
    if max_pixels is not None and width * height > max_pixels:
        raise ImageError("image:too-large", f"{width} x {height} pixels")


def _webp_canvas(data: bytes) -> tuple[int, int]:
    """Width and height from a WebP's first chunk (RFC 9649, section 2)."""
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


def _orientation(image: ImageFile.ImageFile) -> int:
    """The EXIF orientation 1..8. Not image.getexif(), which decodes a PNG."""
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        value = image.tag_v2.get(274, 1)
    elif raw := image.info.get("exif"):
        exif = Image.Exif()
        try:
            exif.load(raw)
            value = exif.get(274, 1)
        except Exception:  # a broken EXIF block does not spoil the picture
            value = 1
    else:
        value = 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def failure(data: bytes, kind: str, error: Exception) -> ImageError:
    """The outcome for an image whose reader failed: cut off, or broken in another way."""
    if isinstance(error, ImageError):
        return error
    text = str(error) or type(error).__name__
    if isinstance(error, Image.DecompressionBombError):
        return ImageError("image:too-large", text)
    cut = {
        "jpg": b"\xff\xd9" not in data[-64:],
        "png": b"IEND" not in data[-64:],
        "webp": int.from_bytes(data[4:8], "little") + 8 > len(data),
        "gif": b"\x3b" not in data[-8:],
        "tif": int.from_bytes(data[4:8], "little" if data[:1] == b"I" else "big") + 2 > len(data),
    }.get(kind, False)
    if cut or "truncated" in text:
        return ImageError("image:truncated", text)
    return ImageError("image:unreadable", text)


def _describe(data: bytes) -> str:
    """What a body that is no image seems to be."""
    start = data[:512].lstrip().lower()
    if not start:
        return "empty"
    if start.startswith((b"<!doctype html", b"<html")) or b"<head" in start:
        return "HTML"
    if b"<svg" in start:
        return "SVG"
    if start[4:12] in (b"ftypavif", b"ftypheic", b"ftypmif1"):
        return start[8:12].decode().upper()
    if start.startswith((b"{", b"[")):
        return "JSON"
    return f"starts with {bytes(data[:8])!r}"
