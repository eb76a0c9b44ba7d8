"""Image files of every kind that the web holds, and the small changes of near duplicates."""

from __future__ import annotations

import functools
import io
import zlib

import cv2
import numpy as np
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from webbody.demo.website import kinds
from webbody.picture_files.made_profile import SRGB_CURVE, Chromaticities, made_profile

EXTENSIONS = {
    "palette-png": "png", "alpha-png": "png", "png16": "png", "bomb": "png",
    "gif": "gif", "pixel": "gif", "webp": "webp", "bmp": "bmp", "text-png": "png",
    "tiff16": "tif", "heic": "heic", "jxl": "jxl",
}  # fmt: skip
_P3 = Chromaticities((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
_DISPLAY_P3 = made_profile(_P3, SRGB_CURVE) or b""
#: The signature of a file, and a code stream that says nothing.
_JPEG_XL = b"\0\0\0\x0cJXL \r\n\x87\n\0\0\0\x14ftypjxl \0\0\0\0jxl " + bytes(500)
_EXIF_ORIENTATION = 0x0112
# Orientation -> how the upright picture is stored.
_STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def extension(encoding: str) -> str:
    """File name extension of an encoding, without the dot."""
    return EXTENSIONS.get(encoding, "jpg")


def encode(image: np.ndarray, encoding: str, number: int) -> bytes:
    """A file that shows an image (H, W, 3) uint8 BGR. `number` varies quality and orientation."""
    quality = 78 + number * 7 % 18
    if encoding == kinds.PLAIN:
        return jpeg(image, quality)
    if encoding == "cut-file":
        whole = jpeg(image, quality)
        return whole[: len(whole) * 3 // 5]
    if encoding == "png16":
        deep = image.astype(np.uint16) * 257
        return cv2.imencode(".png", deep, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()
    if encoding == "tiff16":
        return cv2.imencode(".tif", image.astype(np.uint16) * 257)[1].tobytes()
    if encoding == "bmp":
        return cv2.imencode(".bmp", image)[1].tobytes()
    if encoding == "bomb":
        return bomb()
    if encoding == "avif-bomb":
        return avif_bomb()
    if encoding == "jxl":
        return _JPEG_XL
    return _by_pillow(image, encoding, quality, number)


def _by_pillow(image: np.ndarray, encoding: str, quality: int, number: int) -> bytes:
    """The encodings that Pillow writes."""
    picture = Image.fromarray(np.ascontiguousarray(image[:, :, ::-1]))
    file = io.BytesIO()
    if encoding == "progressive":
        picture.save(file, "JPEG", quality=quality, progressive=True)
    elif encoding == "exif":
        orientation = 2 + number % 7
        exif = Image.Exif()
        exif[_EXIF_ORIENTATION] = orientation
        picture.transpose(_STORED[orientation]).save(file, "JPEG", quality=quality, exif=exif)
    elif encoding == "cmyk":
        picture.convert("CMYK").save(file, "JPEG", quality=quality)
    elif encoding == "palette-png":
        picture.quantize(256).save(file, "PNG", compress_level=1)
    elif encoding == "alpha-png":
        picture.putalpha(255)
        picture.save(file, "PNG", compress_level=1)
    elif encoding == "gif":
        frames = [
            Image.new("RGB", picture.size, colour).quantize(256) for colour in ("white", "black")
        ]
        picture.quantize(256).save(file, "GIF", save_all=True, append_images=frames, duration=200)
    elif encoding == "webp":
        picture.save(file, "WEBP", quality=quality, method=0)
    elif encoding == "avif":
        picture.save(file, "AVIF", quality=quality, speed=8, max_threads=1)
    elif encoding == "heic":
        from pillow_heif import from_pillow  # of the extra `build`

        from_pillow(picture).save(file, quality=quality)
    elif encoding == "p3":
        wide = ImageCms.buildTransform(_srgb(), _wide(), "RGB", "RGB").apply(picture)
        wide.save(file, "JPEG", quality=quality, subsampling="4:4:4", icc_profile=_DISPLAY_P3)
    elif encoding == "profile-broken":
        picture.save(file, "JPEG", quality=quality, icc_profile=_DISPLAY_P3[:200])
    elif encoding == "text-png":
        text = PngInfo()
        text.add_text("Comment", "made by a camera\n" * 125_000)
        picture.save(file, "PNG", compress_level=1, pnginfo=text)
    elif encoding == "pixel":
        Image.new("L", (1, 1)).save(file, "GIF")
    else:
        raise ValueError(f"unknown encoding {encoding!r}")
    return file.getvalue()


def jpeg(image: np.ndarray, quality: int) -> bytes:
    """A baseline JPEG of an image (H, W, 3) uint8 BGR."""
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


@functools.cache
def bomb(side: int = 30_000) -> bytes:
    """A valid one-bit PNG of side x side pixels in about 100 kB."""
    packer = zlib.compressobj(6)
    row = bytes(1 + side // 8 + bool(side % 8))
    body = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    header = side.to_bytes(4, "big") * 2 + bytes([1, 0, 0, 0, 0])
    chunks = ((b"IHDR", header), (b"IDAT", body), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")
        for kind, data in chunks
    )


@functools.cache
def avif_bomb(side: int = 30_000) -> bytes:
    """A valid AVIF of a few pixels that declares side x side of them."""
    file = io.BytesIO()
    Image.new("RGB", (64, 64)).save(file, "AVIF", max_threads=1)
    data = file.getvalue()
    place = data.index(b"ispe") + 8
    return data[:place] + side.to_bytes(4, "big") * 2 + data[place + 8 :]


@functools.cache
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


@functools.cache
def _wide() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(io.BytesIO(_DISPLAY_P3))


def near_duplicate(
    rng: np.random.Generator, image: np.ndarray, near: str
) -> tuple[np.ndarray, float, tuple[int, int]]:
    """A slightly changed image (H, W, 3), its scale, and the old (x, y) that is now its corner.

    A point p of the old image is at (p - corner) * scale in the new one.
    """
    height, width = image.shape[:2]
    if near == "recompressed":
        again = Image.open(io.BytesIO(jpeg(image, 55)))
        return np.ascontiguousarray(np.asarray(again)[:, :, ::-1]), 1.0, (0, 0)
    if near == "resized":
        scale = float(rng.uniform(0.7, 0.9))
        size = (round(width * scale), round(height * scale))
        return cv2.resize(image, size, interpolation=cv2.INTER_AREA), scale, (0, 0)
    if near == "cropped":
        left, right = (rng.uniform(0.01, 0.05, 2) * width).astype(int)
        top, bottom = (rng.uniform(0.01, 0.05, 2) * height).astype(int)
        return image[top : height - bottom, left : width - right], 1.0, (int(left), int(top))
    raise ValueError(f"unknown change {near!r}")
