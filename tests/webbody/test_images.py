"""Images of strangers: every kind is decoded upright and whole, or rejected with its outcome."""

import io
import resource
import struct
import sys
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_pictures import chunk, picture, saved
from PIL import Image, ImageFile, ImageOps

from webbody.images import ImageError, decode, encode_jpeg, letterbox, probe

FORMATS = ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF", "JPEG2000"]


def png(width: int, height: int, depth: int, colour: int, rows: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows, 9)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def outcome(data: bytes, **options) -> str:
    with pytest.raises(ImageError) as caught:
        decode(data, **options)
    return caught.value.outcome


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_keeps_its_pixels_and_size(kind):
    image = picture()
    data = saved(
        image, kind, **({"quality": 98} if kind in ("JPEG", "WEBP", "AVIF", "HEIF") else {})
    )
    header = probe(data)
    assert (header.width, header.height) == (60, 40)
    array = decode(data)
    assert array.shape == (40, 60, 3)
    assert array.dtype == np.uint8
    assert abs(array.astype(int) - np.asarray(image).astype(int)).mean() < 8


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(kind, orientation):
    exif = Image.Exif()
    exif[274] = orientation
    data = saved(picture(), kind, exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))
    array, header = decode(data), probe(data)
    np.testing.assert_array_equal(array, expected)
    assert array.shape[:2] == (header.height, header.width)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.95])
def test_cut_files_are_rejected(kind, share):
    data = saved(picture(200, 150), kind)
    found = outcome(data[: int(len(data) * share)])
    # The first bytes of some do not suffice to tell what they are.
    early = share == 0.02 and kind in ("BMP", "AVIF", "HEIF", "JPEG2000")
    assert found == "image:truncated" or early


def test_cut_files_are_rejected_when_a_library_allows_them(monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    data = saved(picture(200, 150), "JPEG")
    assert outcome(data[: len(data) // 2]) == "image:truncated"


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("share", [0.4, 0.7, 0.95])
def test_jpeg_that_lacks_data_before_its_end_marker_is_truncated(mode, share):
    data = saved(picture(200, 150).convert(mode), "JPEG", quality=95)
    assert outcome(data[: int(len(data) * share)] + b"\xff\xd9") == "image:truncated"


@pytest.mark.parametrize("grey", [127, 128])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_picture_on_mid_grey_is_no_truncated_one(grey, progressive):
    canvas = Image.new("RGB", (200, 150), (grey,) * 3)
    canvas.paste(picture(), (10, 10))
    decoded = decode(saved(canvas, "JPEG", quality=95, progressive=progressive))
    assert abs(int(decoded[-1, -1, 0]) - grey) <= 1


def test_cmyk_in_adobes_inverted_form():
    red = Image.new("CMYK", (32, 32), (0, 255, 255, 0))
    data = saved(red, "JPEG", quality=95)
    assert b"Adobe" in data
    assert decode(data)[16, 16].tolist() == pytest.approx([255, 0, 0], abs=4)


def test_16_bit_samples_keep_their_upper_byte():
    ramp = np.linspace(0, 65535, 64).astype(">u2")
    grey = png(64, 1, 16, 0, b"\0" + ramp.tobytes())
    colour = png(64, 1, 16, 2, b"\0" + np.repeat(ramp, 3).tobytes())
    expected = (ramp >> 8).astype(np.uint8)
    for data in (grey, colour):
        np.testing.assert_array_equal(decode(data)[0], np.stack([expected] * 3, -1))
    tiff = Image.fromarray(np.tile(ramp.astype("<u2"), (4, 1)))
    np.testing.assert_array_equal(decode(saved(tiff, "TIFF"))[0, :, 0], expected)


def test_transparency_is_laid_on_white():
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([10, 20, 30, 200, 0, 0])
    palette.paste(0, (0, 0, 4, 8))
    for kind in ("PNG", "GIF"):
        array = decode(saved(palette, kind, transparency=0))
        assert array[0, 0].tolist() == [255, 255, 255]
        assert array[0, 7].tolist() == [200, 0, 0]
    half = Image.new("RGBA", (8, 8), (0, 0, 0, 128))
    assert decode(saved(half, "PNG"))[0, 0].tolist() == [127, 127, 127]
    assert decode(saved(Image.new("LA", (8, 8), (0, 0)), "PNG"))[0, 0].tolist() == [255] * 3


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_of_an_animation_the_first_frame_is_taken(kind):
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue", "lime")]
    data = saved(frames[0], kind, save_all=True, append_images=frames[1:])
    assert decode(data)[8, 8].tolist() == pytest.approx([255, 0, 0], abs=3)


def test_one_pixel():
    assert decode(saved(Image.new("RGB", (1, 1), "red"), "PNG")).tolist() == [[[255, 0, 0]]]


def test_size_is_checked_before_any_memory_is_used():
    lines = zlib.compressobj(9)
    body = b"".join(lines.compress(bytes(30001)) for _ in range(3000)) + lines.flush()
    header = struct.pack(">IIBBBBB", 30000, 30000, 8, 0, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body)
    canvas = (16382).to_bytes(3, "little") * 2  # 16383 x 16383
    webp = b"RIFF\xff\0\0\0WEBPVP8X\x0a\0\0\0" + bytes(4) + canvas + bytes(100)
    screen = struct.pack("<HH", 60000, 60000)
    gif = b"GIF89a" + screen + b"\0\0\0," + bytes(4) + screen + b"\0\x02\x01\0\0;"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for data in (bomb, webp, gif):
        assert outcome(data, max_pixels=100_000_000) == "image:too-large"
        with pytest.raises(ImageError, match="too-large"):
            probe(data, 100_000_000)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # KiB


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<!DOCTYPE html><p>x",
        b"  <html>",
        b'{"error": 1}',
        b"GIF",
        bytes(9),
    ],
)
def test_other_content_is_no_image(body):
    assert outcome(body) == "image:not-an-image"


def test_samples_without_a_range_are_refused():
    data = saved(Image.new("F", (8, 8), 0.5), "TIFF")
    assert outcome(data) == "image:unreadable"


@settings(max_examples=150)
@given(kind=st.sampled_from(FORMATS), data=st.data())
def test_a_damaged_file_is_an_image_or_an_image_error(kind, data):
    body = bytearray(saved(picture(), kind))
    for _ in range(data.draw(st.integers(1, 8))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        array = decode(bytes(body), 1_000_000)
    except ImageError:
        return
    assert array.dtype == np.uint8
    assert array.shape[2] == 3


def test_jpeg_is_reproducible_and_keeps_colour():
    array = decode(saved(picture(), "PNG"))
    data = encode_jpeg(array, 95)
    assert data == encode_jpeg(array.copy(), 95)
    assert abs(decode(data).astype(int) - array).mean() < 3


@given(width=st.integers(1, 300), height=st.integers(1, 300))
@settings(max_examples=60)
def test_letterbox_centres_on_white(width, height):
    square, scale, left, top = letterbox(np.zeros((height, width, 3), np.uint8), 64)
    assert square.shape == (64, 64, 3)
    assert scale == 64 / max(width, height)
    inside = np.argwhere(square[..., 0] == 0)
    assert inside.min(0).tolist() == [top, left]
    assert abs(64 - 1 - inside.max(0) - inside.min(0)).max() <= 1
    assert abs(left + width * scale / 2 - 32) <= 1.0
    assert abs(top + height * scale / 2 - 32) <= 1.0


def test_letterbox_moves_a_point_along():
    array = np.full((300, 120, 3), 255, np.uint8)
    array[200:204, 60:64] = 0
    square, scale, left, top = letterbox(array, 150)
    y, x = np.unravel_index(square[..., 0].argmin(), (150, 150))
    assert (x + 0.5, y + 0.5) == pytest.approx((62 * scale + left, 202 * scale + top), abs=1)


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b"\xff\x0a" + bytes(9), "JPEG XL"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
        (b"8BPS\0\1", "Photoshop"),
        (b"\0\0\1\0\1\0", "ICO"),
        (b"II+\0\x08\0", "BigTIFF"),
        (b"P6 3 4 255 ", "PNM"),
        (b"<svg xmlns=''>", "SVG"),
        (b"<?xml version='1.0'?>\n<!-- made by hand -->\n<svg>", "SVG"),
        (b"\0\0\0\x18ftypvvic\0\0\0\0mif1vvic", "VVC"),
        (b"\xff\xd8\xff\xc0\0\x11\x0c\0\x10\0\x10\x03" + bytes(40), "JPEG of 12 bits"),
    ],
)
def test_formats_that_are_not_read_are_named(body, name):
    with pytest.raises(ImageError) as caught:
        probe(body)
    assert (caught.value.outcome, caught.value.detail) == ("image:unsupported-format", name)


@pytest.mark.parametrize(
    "body",
    [
        b"<!DOCTYPE html><svg>",
        b"<html><body><svg width='1'>",
        b"\0\0\0\x18ftypmp42\0\0\0\0isommp42",
        b"\0\0\0\x14ftypqt  \0\0\0\0qt  ",
        b"%PDF-1.7",
    ],
)
def test_pages_and_films_are_no_images(body):
    assert outcome(body) == "image:not-an-image"


def test_without_its_reader_heic_is_a_format_that_is_not_read(monkeypatch):
    data = saved(picture(), "HEIF")
    assert probe(data).format == "heic"
    monkeypatch.setitem(sys.modules, "pillow_heif.as_plugin", None)
    with pytest.raises(ImageError, match="image:unsupported-format: HEIC: pillow-heif"):
        probe(data)
