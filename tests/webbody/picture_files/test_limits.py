"""Files that ask for more work than their picture is worth are refused before it is done."""

import struct
import time
import tracemalloc
import zlib

import numpy as np
import pytest
from made_pictures import box, chunk, picture, saved, segment, with_chunks
from PIL import Image

from webbody.images import ImageError, decode, probe
from webbody.picture_files.boxes import MAX_BOXES, boxes
from webbody.picture_files.items import Items
from webbody.picture_files.jpeg import MAX_SCANS, MAX_SEGMENTS

CAP = 1_000_000


def outcome(data: bytes, max_pixels: int | None = CAP) -> str:
    """The refusal of a file, which costs next to nothing and is the same before and at decoding."""
    tracemalloc.start()
    started = time.process_time()
    with pytest.raises(ImageError) as caught:
        probe(data, max_pixels)
    spent, peak = time.process_time() - started, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert spent < 2
    assert peak < 20_000_000 + 2 * len(data)
    with pytest.raises(ImageError) as again:
        decode(data, max_pixels)
    assert again.value.outcome == caught.value.outcome
    return caught.value.outcome


def with_scans(data: bytes, count: int) -> bytes:
    """A progressive JPEG whose first scan comes `count` times more."""
    first = data.index(b"\xff\xda")
    end = min(
        i for i in (data.find(b"\xff\xda", first + 2), data.find(b"\xff\xc4", first + 2)) if i > 0
    )
    return data[:end] + data[first:end] * count + data[end:]


def test_scans_are_counted():
    data = saved(picture(400, 300), "JPEG", progressive=True)
    assert decode(data, CAP).shape == (300, 400, 3)
    for count in (MAX_SCANS, 100, 1000):
        assert outcome(with_scans(data, count)) == "image:too-large"
    # Bytes in a comment, or behind the end, are no scans.
    comment = segment(0xFE, b"\xff\xda\0\x08" * 200)
    many = data[:2] + comment + data[2:] + b"\xff\xda\0\x08" * 200
    assert (decode(many, CAP) == decode(data, CAP)).all()
    hidden = (
        data[: data.index(b"\xff\xda")]
        + segment(0xFE, b"\xff\xd9")
        + data[data.index(b"\xff\xda") :]
    )
    assert outcome(with_scans(hidden, 100)) == "image:too-large"


def test_header_segments_are_counted_and_cost_nothing():
    data = saved(picture(), "JPEG")
    exif = Image.Exif()
    exif[274] = 6
    block = segment(0xE1, exif.tobytes()[:200])
    large = segment(0xE1, b"Exif\0\0MM\0*" + bytes(60_000))
    for blocks in (block * 1000, large * 700, segment(0xE2, b"MPF\0" + bytes(60_000)) * 300):
        started = time.process_time()
        array = decode(data[:2] + blocks + data[2:], CAP)
        assert time.process_time() - started < 1.5
        assert array.size == 60 * 40 * 3
    assert outcome(data[:2] + block * (MAX_SEGMENTS + 1) + data[2:]) == "image:unreadable"
    assert outcome(data[:2] + b"\xff" * 10_000_000) in ("image:unreadable", "image:truncated")


def tiff(width: int, height: int, tags: dict[int, tuple[int, ...]], extra: int = 0) -> bytes:
    """An uncompressed grey TIFF whose tiles or strips share one block of bytes."""
    fields = {256: (width,), 257: (height,), 258: (8,), 259: (1,), 262: (1,), 277: (1,), **tags}
    start = 8 + 2 + 12 * len(fields) + 4
    listing, more = struct.pack("<H", len(fields)), b""
    for tag, values in sorted(fields.items()):
        body = struct.pack(f"<{len(values)}I", *values)
        place = body if len(values) == 1 else struct.pack("<I", start + len(more))
        more += b"" if len(values) == 1 else body
        listing += struct.pack("<HHI", tag, 4, len(values)) + place
    return b"II*\0" + struct.pack("<I", 8) + listing + bytes(4) + more + bytes(extra)


@pytest.mark.parametrize(
    "data",
    [
        tiff(32_000, 32, {322: (16,), 323: (40_000_000,), 324: (8,) * 2000, 325: (64,) * 2000}),
        tiff(64, 64, {322: (1 << 31,), 323: (1,), 324: (8,), 325: (64,)}),
        tiff(64, 64, {322: (46_000,), 323: (46_000,), 324: (8,), 325: (64,)}),
        tiff(64, 64, {322: (512,), 323: (512,), 324: (8,) * 100_000, 325: (9,) * 100_000}),
        tiff(1, 900_000, {278: (1,), 273: (8,) * 900_000, 279: (1,) * 900_000}),
        tiff(2000, 2000, {278: (2000,), 273: (8,), 279: (64,)}),
    ],
    ids=["shared tiles", "one wide tile", "one tile", "too many tiles", "strips", "picture"],
)
def test_tiles_and_strips_count(data):
    assert outcome(data) == "image:too-large"


def test_a_small_picture_in_one_larger_tile_is_read():
    data = tiff(64, 48, {322: (256,), 323: (256,), 324: (500,), 325: (65536,)}, 66_000)
    assert decode(data, CAP).shape == (48, 64, 3)
    whole = tiff(64, 48, {278: (0xFFFFFFFF,), 273: (300,), 279: (64 * 48,)}, 64 * 48 + 300)
    assert decode(whole, CAP).shape == (48, 64, 3)


def reshaped(data: bytes, width: int, height: int) -> bytes:
    """An AVIF or HEIC that declares another size for all its pictures."""
    size = struct.pack(">II", width, height)
    first, *others = data.split(b"ispe")
    return first + b"".join(b"ispe" + part[:4] + size + part[12:] for part in others)


@pytest.mark.parametrize("kind", ["AVIF", "HEIF"])
def test_what_a_container_declares_and_what_it_holds_are_both_checked(kind):
    data = saved(Image.new("RGB", (1300, 900)), kind)
    assert decode(data, 2 * CAP).shape == (900, 1300, 3)
    assert outcome(data) == "image:too-large"
    assert outcome(reshaped(data, 30_000, 30_000), 100_000_000) == "image:too-large"
    assert outcome(reshaped(data, 100, 100)) == "image:too-large"
    assert outcome(reshaped(data, 100, 100), 10 * CAP) == "image:unreadable"
    assert outcome(reshaped(data, 0, 900), 10 * CAP) == "image:unreadable"


def grid(tile: bytes, columns: int, rows: int, width: int, height: int, tiles: int) -> bytes:
    """An AVIF of `tiles` items, each of them the picture of `tile`, put together in a grid."""
    items = Items(tile, next(one for one in boxes(tile, 0, len(tile)) if one.name == b"meta"))
    picture_item = items.all[items.primary]
    content = items.content(picture_item)
    properties = [
        box(name, tile[one.start : one.end])
        for name in (b"ispe", b"av1C", b"pixi")
        for one in items.properties(picture_item, name)
    ]
    properties.append(box(b"ispe", bytes(4), struct.pack(">II", width, height)))
    canvas = struct.pack(">BBBBII", 0, 1, rows - 1, columns - 1, width, height)
    numbers = range(2, 2 + tiles)
    infos = [box(b"infe", struct.pack(">IHH4sx", 2 << 24, 1, 0, b"grid"))]
    infos += [box(b"infe", struct.pack(">IHH4sx", 2 << 24 | 1, i, 0, b"av01")) for i in numbers]
    own = [struct.pack(">HB2B", 1, 2, 4, 3)]
    own += [struct.pack(">HB3B", i, 3, 1, 0x82, 3) for i in numbers]

    def meta(offset: int) -> bytes:
        places = [struct.pack(">HHHHII", 1, 1, 0, 1, 0, len(canvas))]
        places += [struct.pack(">HHHHII", i, 0, 0, 1, offset, len(content)) for i in numbers]
        return box(
            b"meta", bytes(4),
            box(b"hdlr", bytes(8), b"pict", bytes(13)),
            box(b"pitm", bytes(4), struct.pack(">H", 1)),
            box(b"iloc", struct.pack(">IBBH", 1 << 24, 0x44, 0, 1 + tiles), *places),
            box(b"iinf", struct.pack(">IH", 0, 1 + tiles), *infos),
            box(b"iref", bytes(4), box(b"dimg", struct.pack(f">HH{tiles}H", 1, tiles, *numbers))),
            box(b"iprp", box(b"ipco", *properties),
                box(b"ipma", struct.pack(">II", 0, 1 + tiles), *own)),
            box(b"idat", canvas),
        )  # fmt: skip

    head = box(b"ftyp", b"avif", bytes(4), b"avifmif1miaf")
    return head + meta(len(head) + len(meta(0)) + 8) + box(b"mdat", content)


def test_grids_are_read_and_their_canvas_and_tiles_are_checked():
    tile = saved(picture(128, 64), "AVIF", quality=100, subsampling="4:4:4")
    array = decode(grid(tile, 3, 2, 384, 128, 6), CAP)
    assert (array == np.tile(decode(tile), (2, 3, 1))).all()
    assert outcome(grid(tile, 3, 2, 30_000, 30_000, 6)) == "image:too-large"
    assert outcome(grid(tile, 3, 2, 384, 128, 5)) == "image:unreadable"
    assert outcome(grid(tile, 250, 2, 32_000, 128, 500)) == "image:too-large"
    large = saved(Image.new("RGB", (1300, 900)), "AVIF")
    assert outcome(grid(large, 2, 1, 100, 100, 2)) == "image:too-large"
    assert outcome(grid(tile, 250, 250, 900, 900, MAX_BOXES + 5)) == "image:unreadable"


def test_heif_of_other_codecs_is_named():
    data = saved(picture(), "AVIF")
    with pytest.raises(
        ImageError, match="image:unsupported-format: HEIF with pictures of type vvc1"
    ):
        decode(data.replace(b"av01", b"vvc1"))


def test_jpeg_2000_is_checked_by_its_code_stream():
    data = saved(picture(), "JPEG2000")
    assert decode(data, CAP).shape == (40, 60, 3)
    at = data.index(b"\xff\x4f\xff\x51") + 8
    larger = data[:at] + struct.pack(">II", 30_000, 30_000) + data[at + 8 :]
    assert outcome(larger, 100_000_000) == "image:too-large"
    assert outcome(saved(picture(1300, 900), "JPEG2000")) == "image:too-large"


def test_what_the_pixels_of_a_png_do_not_need_decides_nothing():
    image = picture()
    png, samples = saved(image, "PNG"), np.asarray(image)
    chunks = [
        chunk(b"tEXt", b"Comment\0" + bytes([65]) * 3_000_000),
        chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes([65]) * 3_000_000)),
        chunk(b"iTXt", b"Comment\0\1\0\0\0" + zlib.compress(bytes([65]) * 3_000_000)),
        chunk(b"iCCP", b"name\0\0" + zlib.compress(bytes(3_000_000))),
        chunk(b"iCCP", b"name\0\0" + zlib.compress(bytes(90_000_000))),
        chunk(b"iCCP", b"name\0\0no zlib"),
        chunk(b"iCCP", b"no end of the name"),
        chunk(b"tEXt", b"Comment\0x", checksum=1),
        chunk(b"gAMA", bytes(4), checksum=1),
        chunk(b"eXIf", b"MM\0*", checksum=1),
        chunk(b"tRNS", bytes(6), checksum=1),
        chunk(b"pHYs", b"\0\0"),
        chunk(b"sRGB", b""),
        chunk(b"cHRM", b"\0"),
        chunk(b"gAMA", b"\0"),
        chunk(b"bKGD", b"\0"),
        chunk(b"tIME", b"\0"),
        chunk(b"acTL", b"\0"),
        chunk(b"fcTL", b"\0" * 3),
        chunk(b"abCd", bytes(2_000_000), checksum=5),
    ]
    for one in [*chunks, b"".join(chunks)]:
        assert (decode(with_chunks(png, one), CAP) == samples).all()
    behind = png[:-12] + chunks[0] + png[-12:]
    assert (decode(behind, CAP) == samples).all()
    # What they do need has to be right.
    assert outcome(png[:29] + b"\0\0\0\0" + png[33:]) == "image:unreadable"


def test_a_png_of_nothing_but_chunks_is_refused():
    png = saved(picture(), "PNG")
    assert outcome(with_chunks(png, chunk(b"tEXt", b"") * 30_000)) == "image:unreadable"


@pytest.mark.parametrize("kind", ["AVIF", "HEIF", "JPEG2000", "WEBP", "PNG", "TIFF", "JPEG"])
def test_damaged_headers_are_refused_and_nothing_else(kind):
    whole = saved(picture(), kind)
    generator = np.random.default_rng(0)
    for _ in range(150):
        data = bytearray(whole)
        for at in generator.integers(0, min(len(data), 500), generator.integers(1, 6)):
            data[at] = generator.integers(0, 256)
        try:
            decode(bytes(data), CAP)
        except ImageError:
            continue
