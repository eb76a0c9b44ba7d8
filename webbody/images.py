"""Reading and writing images that come from strangers.

Everything here takes bytes. Sizes are checked against the header before a pixel is decoded, and an
image is either decoded whole or rejected: a partly grey picture never passes. All arrays are
upright RGB, (H, W, 3) uint8.
"""

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
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

RGB = NDArray[np.uint8]

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

#: How each EXIF orientation is undone.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
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
    return _open(data, max_pixels)[1]


def decode(data: bytes, max_pixels: int | None = None) -> RGB:
    """The whole image as upright RGB (H, W, 3) uint8.

    EXIF orientation is applied; transparency is laid on white; 16-bit samples keep their upper
    byte; of an animation the first frame is taken. Raises ImageError as `probe` does; an image
    that ends early is `image:truncated`, never filled up.
    """
    image, header = _open(data, max_pixels)
    # Libraries that load beside us switch this global on; then a cut file would turn grey.
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        image.load()
        if header.format == "jpg" and _ends_grey(image) and _filled_up(data, image):
            raise ImageError("image:truncated", "the last blocks have no data")
        flat = _flatten(image)
    except MemoryError as error:
        raise ImageError("image:too-large", "memory") from error
    except Exception as error:
        raise _failure(data, header.format, error) from error
    if header.format != "tif" and header.orientation in _UPRIGHT:
        flat = flat.transpose(_UPRIGHT[header.orientation])
    return np.array(flat)


def encode_jpeg(rgb: RGB, quality: int, subsampling: str = "4:4:4") -> bytes:
    """RGB (H, W, 3) uint8 as a baseline JPEG; the same bytes for the same array."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(rgb)).save(
        buffer, "JPEG", quality=quality, subsampling=subsampling
    )
    return buffer.getvalue()


def letterbox(rgb: RGB, size: int) -> tuple[RGB, float, int, int]:
    """Scale the longer side to `size`, centre on a white square.

    Returns the square (size, size, 3), the scale and the left and top margins in pixels: a point
    moves to (x * scale + left, y * scale + top). Bilinear with antialiasing when shrinking.
    """
    height, width = rgb.shape[:2]
    scale = size / max(height, width)
    new = max(1, round(width * scale)), max(1, round(height * scale))
    left, top = (size - new[0]) // 2, (size - new[1]) // 2
    resized = Image.fromarray(np.ascontiguousarray(rgb)).resize(new, Image.Resampling.BILINEAR)
    square = np.full((size, size, 3), 255, np.uint8)
    square[top : top + new[1], left : left + new[0]] = np.asarray(resized)
    return square, scale, left, top


def _open(data: bytes, max_pixels: int | None) -> tuple[ImageFile.ImageFile, Header]:
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
        raise _failure(data, kind, error) from error
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


def _flatten(image: Image.Image) -> Image.Image:
    """RGB without transparency."""
    if image.mode.startswith("I;16"):  # Pillow's own conversion would clip to 255
        upper = (np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8)
        return Image.fromarray(upper).convert("RGB")
    if image.mode in ("I", "F"):
        raise ValueError(f"samples of mode {image.mode} have no known range")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        clear = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _ends_grey(image: Image.Image) -> bool:
    """Whether a JPEG's last pixel is the mid-grey that libjpeg puts where data is missing."""
    pixel = image.getpixel((image.width - 1, image.height - 1))
    return all(value in (127, 128) for value in (pixel if isinstance(pixel, tuple) else (pixel,)))


def _filled_up(data: bytes, image: Image.Image) -> bool:
    """Whether libjpeg ran out of data before the end marker and filled up with grey.

    Bytes put before the end marker are skipped in a complete file; in one that lacks data they
    are decoded and change the picture.
    """
    end = data.rfind(b"\xff\xd9")
    noise = np.random.default_rng(0).integers(1, 255, 4096, np.uint8).tobytes()
    longer = JpegImagePlugin.JpegImageFile(io.BytesIO(data[:end] + noise + data[end:]))
    longer.load()
    return longer.tobytes() != image.tobytes()


def _failure(data: bytes, kind: str, error: Exception) -> ImageError:
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
