"""The first directory of a TIFF: size, tiles and strips, orientation, profile (TIFF 6.0, part 1).

A tile or strip is decoded whole, however little of it shows: their sizes count as the picture's do.
"""

from PIL import ImageFile, TiffImagePlugin

from webbody.picture_files.errors import ImageError, check_pixels
from webbody.picture_files.icc import MAX_PROFILE
from webbody.picture_files.parsed import Parsed

#: Strips or tiles; each costs its own start of a decoder.
MAX_PIECES = 200_000
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
_WIDTH, _HEIGHT, _BITS, _SAMPLES, _ROWS, _PLANAR = 256, 257, 258, 277, 278, 284
_STRIPS, _TILE_WIDTH, _TILE_HEIGHT, _TILES, _TURNED, _ICC = 273, 322, 323, 324, 274, 34675


def parse_tiff(data: bytes, max_pixels: int | None) -> Parsed:
    """Raises ImageError `image:too-large` for tiles or strips beyond the limits."""
    order = "little" if data[:1] == b"I" else "big"

    def number(at: int, size: int) -> int:
        return int.from_bytes(data[at : at + size], order)  # type: ignore[arg-type]

    first: dict[int, int] = {}  # tag -> first value
    count: dict[int, int] = {}
    profile, start = None, number(4, 4)
    for entry in range(number(start, 2)):
        at = start + 2 + 12 * entry
        tag, size = number(at, 2), _SIZES.get(number(at + 2, 2), 0)
        if at + 12 > len(data):
            break
        if tag in first or not size:
            continue
        count[tag] = number(at + 4, 4)
        place = at + 8 if size * count[tag] <= 4 else number(at + 8, 4)
        first[tag] = number(place, min(size, 4))
        if tag == _ICC and count[tag] <= MAX_PROFILE:
            profile = data[place : place + count[tag]]
    width, height = first.get(_WIDTH, 0), first.get(_HEIGHT, 0)
    check_pixels(width, height, max_pixels)
    planes = first.get(_SAMPLES, 1) if first.get(_PLANAR) == 2 else 1
    tiled = _TILE_WIDTH in first or _TILES in first
    across = first.get(_TILE_WIDTH, width) if tiled else width
    down = (
        first.get(_TILE_HEIGHT, height)
        if tiled
        else min(first.get(_ROWS, height) or height, height)
    )
    check_pixels(across, down, max_pixels, "tiles of" if tiled else "strips of")
    pieces = -(-width // across) * -(-height // down) * planes
    listed = count.get(_TILES if tiled else _STRIPS, 0)
    if max(pieces, listed) > MAX_PIECES:
        raise ImageError("image:too-large", f"{max(pieces, listed):,} tiles or strips")
    # Tiles reach over the edge by less than one.
    if (
        max_pixels is not None
        and max(pieces // planes, listed // planes) * across * down > 2 * max_pixels
    ):
        raise ImageError("image:too-large", f"{listed:,} tiles of {across} x {down} pixels")
    return Parsed(width, height, None, first.get(_TURNED, 1), profile)


def through_libtiff(image: TiffImagePlugin.TiffImageFile) -> None:
    """Let libtiff decode uncompressed 16-bit planes: Pillow would take every byte for a sample."""
    deep = max(image.tag_v2.get(_BITS, (8,))) > 8
    if image.tag_v2.get(_PLANAR) == 2 and deep and not image.use_load_libtiff:
        image.use_load_libtiff = True
        size = image.tag_v2[_WIDTH], image.tag_v2[_HEIGHT]
        bands = "RGBX" if image.tag_v2.get(_SAMPLES) == 4 and image.mode == "RGB" else image.mode
        where = (f"{bands};16N", False, image.tag_v2.offset)
        image.tile = [ImageFile._Tile("libtiff", (0, 0, *size), 0, where)]
