"""What an image is by its first bytes: format, size, orientation, and the limits on them.

Sizes are checked against the header, before a pixel is decoded or a canvas allocated.
"""

import io
from dataclasses import dataclass

from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from webbody.picture_files import exif
from webbody.picture_files.boxes import ends_early
from webbody.picture_files.errors import ImageError, check_pixels
from webbody.picture_files.formats import describe, foreign, sniff
from webbody.picture_files.heif import parse_heif
from webbody.picture_files.jpeg import parse_jpeg
from webbody.picture_files.jpeg2000 import parse_jpeg2000
from webbody.picture_files.parsed import Parsed
from webbody.picture_files.png import parse_png
from webbody.picture_files.tiff import parse_tiff, through_libtiff
from webbody.picture_files.webp import parse_webp

#: Readers by format. Called directly, because Image.open also tries formats that nobody puts on a
#: web page and has a pixel limit of its own.
_READERS: dict[str, type[ImageFile.ImageFile]] = {
    "jpg": JpegImagePlugin.JpegImageFile,
    "png": PngImagePlugin.PngImageFile,
    "webp": WebPImagePlugin.WebPImageFile,
    "gif": GifImagePlugin.GifImageFile,
    "bmp": BmpImagePlugin.BmpImageFile,
    "tif": TiffImagePlugin.TiffImageFile,
    "avif": AvifImagePlugin.AvifImageFile,
    "jp2": Jpeg2KImagePlugin.Jpeg2KImageFile,
}


@dataclass(frozen=True)
class Header:
    """What the first bytes of an image say.

    `format` is the file extension (jpg, png, webp, gif, bmp, tif, avif, heic, jp2); `width` and
    `height` are those of the upright image in pixels; `orientation` is the EXIF value 1..8 that
    makes it upright. `plain`: a JPEG of which any decoder of the libjpeg family makes the pixels
    that `decode` makes: upright, 8 bits, grey or of three channels, without a profile, in one
    scan. But where it lacks data, which only `decode` finds out, it ends in mid-grey.
    """

    format: str
    width: int
    height: int
    orientation: int = 1
    plain: bool = False


@dataclass(frozen=True)
class Opened:
    """A file whose header was read, and nothing decoded.

    image: its reader. body: what the reader was given, the file without what does not matter.
    """

    image: ImageFile.ImageFile
    header: Header
    parsed: Parsed
    body: bytes

    @property
    def pixels(self) -> int:
        return self.image.width * self.image.height


def open_image(data: bytes, max_pixels: int | None) -> Opened:
    """The reader with its header parsed, and nothing decoded; raises ImageError as `probe` does."""
    kind = sniff(data)
    if kind is None:
        if name := foreign(data):
            raise ImageError("image:unsupported-format", name)
        raise ImageError("image:not-an-image", describe(data))
    try:
        parsed = _parsed(data, kind, max_pixels)
        if parsed.width and parsed.height:
            check_pixels(parsed.width, parsed.height, max_pixels)
        body = parsed.body(data)
        image = _reader(kind)(io.BytesIO(body))
        if isinstance(image, TiffImagePlugin.TiffImageFile):
            through_libtiff(image)
    except Exception as error:
        raise failure(data, kind, error) from error
    width, height = image.size
    check_pixels(width, height, max_pixels)
    turned = exif.orientation(image.info.get("exif", b"")) if kind == "avif" else parsed.orientation
    if kind != "tif" and turned >= 5:  # Pillow turns TIFF by itself
        width, height = height, width
    return Opened(image, Header(kind, width, height, turned, parsed.plain), parsed, body)


def _parsed(data: bytes, kind: str, max_pixels: int | None) -> Parsed:
    if kind == "jpg":
        return parse_jpeg(data)
    if kind == "png":
        return parse_png(data)
    if kind == "webp":
        return parse_webp(data)
    if kind == "tif":
        return parse_tiff(data, max_pixels)
    if kind in ("avif", "heic"):
        return parse_heif(data, max_pixels)
    return parse_jpeg2000(data, max_pixels) if kind == "jp2" else Parsed()


def _reader(kind: str) -> type[ImageFile.ImageFile]:
    if kind != "heic":
        return _READERS[kind]
    try:
        from pillow_heif.as_plugin import HeifImageFile
    except ImportError as error:  # an extra, as its libraries have licences of their own
        raise ImageError(
            "image:unsupported-format", "HEIC: pillow-heif is not installed"
        ) from error
    return HeifImageFile


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
        "jp2": b"\xff\xd9" not in data[-64:],
    }
    if kind in ("avif", "heic"):
        cut[kind] = ends_early(data)
    if cut.get(kind, False) or "truncated" in text:
        return ImageError("image:truncated", text)
    return ImageError("image:unreadable", text)
