"""The header of AVIF and HEIC, held to the limits before anything is decoded (ISO/IEC 23008-12).

What is declared for each picture, what a grid puts together, and what the coded pictures say
themselves: any of them can be what a decoder makes room for.
"""

from collections.abc import Iterator

from webbody.picture_files.boxes import boxes, ends_early, number
from webbody.picture_files.cicp import coded_profile
from webbody.picture_files.coded_size import av1_sizes, hevc_sizes
from webbody.picture_files.errors import ImageError, check_pixels
from webbody.picture_files.icc import MAX_PROFILE
from webbody.picture_files.items import HeifItem, Items
from webbody.picture_files.parsed import Parsed

_CODED = {b"av01", b"hvc1", b"hev1"}
#: Pixels beyond the picture's own: its tiles, thumbnails, alpha, depth and gain maps.
_ALL_PICTURES = 4
#: Pixels to which coders fill up a picture's sides.
_BLOCK = 64


def parse_heif(data: bytes, max_pixels: int | None) -> Parsed:
    """Width and height are left to the decoder, which turns and crops by the file's own rules.

    Raises ImageError: `image:too-large` for sizes beyond the limit, `image:unsupported-format` for
    other codecs, and `image:unreadable` or `image:truncated` for a header that makes no sense.
    """
    try:
        top = list(boxes(data, 0, len(data)))
        meta = next((box for box in top if box.name == b"meta"), None)
        if meta is None and any(box.name == b"moov" for box in top):
            raise ImageError("image:unsupported-format", "image sequence without a still picture")
        if meta is None:
            raise ImageError("image:unreadable", "there is no meta box")
        return _checked(Items(data, meta), max_pixels)
    except IndexError as error:
        raise ImageError("image:unreadable", "the boxes make no sense") from error
    except ImageError as error:
        if error.outcome == "image:unreadable" and ends_early(data):
            raise ImageError("image:truncated", "the boxes end early") from error
        raise


def _checked(items: Items, max_pixels: int | None) -> Parsed:
    item = items.all.get(items.primary)
    if item is None:
        raise ImageError("image:unreadable", "there is no primary picture")
    grid = item.kind == b"grid"
    pictures = [items.all.get(tile, HeifItem()) for tile in item.tiles] if grid else [item]
    kinds = {picture.kind for picture in pictures}
    if not kinds <= _CODED:
        names = ", ".join(kind.decode("latin-1").strip() for kind in sorted(kinds))
        raise ImageError("image:unsupported-format", f"HEIF with pictures of type {names}")
    if grid:
        _check_grid(items, item, max_pixels)
    total = sum(_pixels(items, other, max_pixels) for other in items.all.values())
    if max_pixels is not None and total > _ALL_PICTURES * max_pixels:
        raise ImageError("image:too-large", f"{total:,} pixels in all its pictures")
    return Parsed(profile=_profile(items, [item, *pictures[:1]]))


def _check_grid(items: Items, item: HeifItem, max_pixels: int | None) -> None:
    """The canvas of a grid (section 6.6.2.3), and as many tiles as it wants."""
    body = items.content(item)
    wide = 4 if body[1] & 1 else 2
    canvas = number(body, 4, wide), number(body, 4 + wide, wide)
    check_pixels(*canvas, max_pixels, "grid of")
    if (body[2] + 1) * (body[3] + 1) != len(item.tiles):
        raise ImageError("image:unreadable", f"{len(item.tiles)} tiles in a grid for others")


def _pixels(items: Items, item: HeifItem, max_pixels: int | None) -> int:
    """How many a decoder makes room for, if it is a coded picture."""
    shape = items.shape(item)
    if shape is not None:
        check_pixels(*shape, max_pixels)
    if item.kind not in _CODED:
        return 0
    if shape is None:
        raise ImageError("image:unreadable", "a picture without a size")
    for coded in _coded_sizes(items, item):
        check_pixels(*coded, max_pixels, "coded as")
        if any(c > -(-s // _BLOCK) * _BLOCK for c, s in zip(coded, shape, strict=True)):
            sizes = f"{shape[0]} x {shape[1]} pixels, coded as {coded[0]} x {coded[1]}"
            raise ImageError("image:unreadable", sizes)
    return shape[0] * shape[1]


def _coded_sizes(items: Items, item: HeifItem) -> Iterator[tuple[int, int]]:
    """All sizes that the coded picture declares, in its configuration and in its own bytes."""
    data, content = items.data, items.content(item)
    if item.kind == b"av01":
        for box in items.properties(item, b"av1C"):
            yield from av1_sizes(data[box.start + 4 : box.end])
        yield from av1_sizes(content)
    else:
        for box in items.properties(item, b"hvcC"):
            yield from hevc_sizes(data[box.start : box.end], content)


def _profile(items: Items, of: list[HeifItem]) -> bytes | None:
    """The ICC profile, else that of the code points (14496-12, section 12.1.5)."""
    data = items.data
    colours = [box for item in of for box in items.properties(item, b"colr")]
    for box in colours:
        kind, size = data[box.start : box.start + 4], box.end - box.start - 4
        if kind in (b"prof", b"rICC") and size <= MAX_PROFILE:
            return data[box.start + 4 : box.end]
    for box in colours:
        if data[box.start : box.start + 4] == b"nclx":
            return coded_profile(number(data, box.start + 4, 2), number(data, box.start + 6, 2))
    return None
