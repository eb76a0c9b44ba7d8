"""JPEGs in which data are missing, which libjpeg fills up with grey without an error."""

import io

import numpy as np
from PIL import Image, JpegImagePlugin

from webbody.picture_files.jpeg_scans import Scan, scans

#: Files that define a restart interval have this segment.
_INTERVAL = b"\xff\xdd\x00\x04"
#: What is put where a piece of a scan ends; between its pieces less of it.
_NOISE = np.random.default_rng(0).integers(1, 255, 4096, np.uint8).tobytes()
_BETWEEN = 64


def missing(data: bytes, image: Image.Image) -> str:
    """What is missing in a JPEG, from which `image` was decoded; "" for nothing.

    A lost unit or two at the end of a piece are not found.
    """
    found: list[Scan] = []
    if _INTERVAL in data:
        found = list(scans(data))
        for scan in found:
            if scan.damage:
                return scan.damage
    return "units have no data" if _doubtful(found, image) and _filled_up(data, image) else ""


def _doubtful(found: list[Scan], image: Image.Image) -> bool:
    """Whether to look closer, which takes as long as decoding: where grey ends a piece.

    What later scans of a progressive picture lack leaves no grey; with restarts these are rare.
    """
    if len(found) > 1:
        return True
    ends = (pixel for scan in found for pixel in scan.last_pixels(*image.size))
    last = (image.width - 1, image.height - 1)
    return _is_grey(image, last) or any(_is_grey(image, pixel) for pixel in ends)


def _is_grey(image: Image.Image, pixel: tuple[int, int]) -> bool:
    """Whether it is the mid-grey that libjpeg puts where data are missing."""
    value = image.getpixel(pixel)
    return all(sample in (127, 128) for sample in (value if isinstance(value, tuple) else (value,)))


def _filled_up(data: bytes, image: Image.Image) -> bool:
    """Whether libjpeg ran out of data before a marker and filled up.

    Bytes put before a marker are skipped in a complete file; where data are missing they are
    decoded, and change the picture.
    """
    parts, at = [], 0
    for scan in scans(data):
        for end in scan.ends:
            noise = _NOISE if end == scan.ends[-1] else _NOISE[:_BETWEEN]
            parts += [data[at:end].rstrip(b"\xff"), noise]
            at = end
    longer = JpegImagePlugin.JpegImageFile(io.BytesIO(b"".join(parts) + data[at:]))
    longer.load()
    return longer.tobytes() != image.tobytes()
