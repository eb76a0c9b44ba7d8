"""Reading and writing untrusted images: the project's only decoder.

Everything here takes bytes. Sizes are checked against the header before a pixel is decoded, and an
image is either decoded whole or rejected: a partly grey picture never passes. All arrays are
upright sRGB, (H, W, 3) uint8.
"""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from webbody.geometry import fitted
from webbody.picture_files.errors import ImageError
from webbody.picture_files.flatten import flatten
from webbody.picture_files.formats import SUFFIXES, sniff
from webbody.picture_files.header import Header, Opened, failure, open_image
from webbody.picture_files.jpeg_gaps import missing

__all__ = [
    "MAX_PIXELS", "RGB", "SUFFIXES", "Header", "ImageError", "decode", "encode_jpeg", "encode_mask",
    "fill", "letterbox", "open_image", "probe", "sniff", "upright_image",
]  # fmt: skip

RGB = NDArray[np.uint8]

#: Pictures with more pixels are not decoded where no setting says otherwise.
MAX_PIXELS = 100_000_000

#: Rows that are copied together.
_STRIP = 128
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


def probe(data: bytes, max_pixels: int | None = None) -> Header:
    """Format and upright size, without decoding a pixel.

    Raises ImageError `image:not-an-image`, `image:unsupported-format` (a picture of a kind that is
    not read), `image:too-large` (more than `max_pixels`, or more work than such a picture takes),
    `image:truncated` or `image:unreadable`.
    """
    return open_image(data, max_pixels).header


def decode(data: bytes, max_pixels: int | None = None) -> RGB:
    """The whole image as upright sRGB (H, W, 3) uint8.

    EXIF orientation is applied; colour profiles are converted to sRGB (see `picture_files.icc`);
    transparency is laid on white; 16-bit samples keep their upper byte; of an animation the first
    frame is taken. Raises ImageError as `probe` does; an image that ends early, or lacks data
    within, is `image:truncated`, never filled up.
    """
    image = upright_image(open_image(data, max_pixels), data)
    pixels = np.empty((image.height, image.width, 3), np.uint8)
    fill(pixels, image)
    return pixels


def upright_image(opened: Opened, data: bytes) -> Image.Image:
    """The second part of `decode`: the picture of a file whose header was read, of mode RGB."""
    image, header = opened.image, opened.header
    # Other libraries set this global; truncated files would then decode to grey.
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        image.load()
        if header.format == "jpg" and (lost := missing(opened.body, image)):
            raise ImageError("image:truncated", lost)
        flat = flatten(image, opened.parsed.profile)
        if header.format != "tif" and header.orientation in _UPRIGHT:
            flat = flat.transpose(_UPRIGHT[header.orientation])
    except MemoryError as error:
        raise ImageError("image:too-large", "memory") from error
    except Exception as error:
        raise failure(data, header.format, error) from error
    return flat


def fill(pixels: RGB, image: Image.Image) -> None:
    """The third part of `decode`: write an image of mode RGB into an array of its size."""
    # In strips that stay in the cache: Pillow makes two copies of what it hands out.
    for top in range(0, image.height, _STRIP):
        bottom = min(top + _STRIP, image.height)
        pixels[top:bottom] = np.asarray(image.crop((0, top, image.width, bottom)))


def encode_jpeg(rgb: RGB, quality: int, subsampling: str = "4:4:4") -> bytes:
    """RGB (H, W, 3) uint8 as a baseline JPEG; the same bytes for the same array."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(rgb)).save(
        buffer, "JPEG", quality=quality, subsampling=subsampling
    )
    return buffer.getvalue()


def encode_mask(mask: NDArray[np.bool_]) -> bytes:
    """A mask (H, W) as a grey PNG of 8 bits, 255 where it is True; the same bytes for the same."""
    buffer = io.BytesIO()
    Image.fromarray(np.where(mask, 255, 0).astype(np.uint8)).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def letterbox(rgb: RGB, size: int) -> tuple[RGB, float, int, int]:
    """Scale the longer side to `size`, centre on a white square.

    Returns the square (size, size, 3), the scale and the left and top margins in pixels: a point
    moves to (x * scale + left, y * scale + top). Bilinear with antialiasing when shrinking.
    """
    height, width = rgb.shape[:2]
    scale, across, down, left, top = fitted(width, height, size)
    picture = Image.fromarray(np.ascontiguousarray(rgb))
    resized = picture.resize((across, down), Image.Resampling.BILINEAR)
    square = np.full((size, size, 3), 255, np.uint8)
    square[top : top + down, left : left + across] = np.asarray(resized)
    return square, scale, left, top
