"""Reading the pictures and masks of a data set; whatever is wrong with a file is one sentence."""

from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from webbody.errors import WebbodyError
from webbody.images import MAX_PIXELS, RGB, ImageError, decode, open_image

#: Where a PNG file has its bits per sample and its colour type.
_BITS, _COLOUR = 24, 25
_GREY = 0


def read_bytes(path: Path) -> bytes:
    """A file's content; WebbodyError where it is missing or cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        refuse(path, f"cannot be read ({error.strerror or error})")


def read_picture(path: Path) -> RGB:
    """A photo, (H, W, 3) uint8, upright; WebbodyError where it cannot be decoded whole."""
    try:
        return decode(read_bytes(path), MAX_PIXELS)
    except ImageError as error:
        raise WebbodyError(f"{path}: this picture cannot be used ({error}).") from error


def read_classes(path: Path) -> NDArray[np.uint8]:
    """The numbers (H, W) that a PNG file stores: grey values or palette indices, never colours.

    Raises WebbodyError for other files, and for numbers above 255.
    """
    data = read_bytes(path)
    try:
        opened = open_image(data, MAX_PIXELS)
        if opened.header.format != "png":
            refuse(path, "is no PNG file; store masks as PNG, which keeps every number")
        image = opened.image
        if image.mode not in ("1", "L", "P") and not image.mode.startswith("I"):
            refuse(
                path,
                "is a picture in colours; store the numbers of classes as greyscale or palette PNG",
            )
        image.load()
        values = np.asarray(image)
    except (ImageError, OSError, SyntaxError, ValueError) as error:
        raise WebbodyError(f"{path}: this mask cannot be used ({error}).") from error
    bits = data[_BITS]
    if data[_COLOUR] == _GREY and bits in (2, 4):  # Pillow stretches them to 0..255
        values = values // (255 // (2**bits - 1))
    if values.size and values.max() > 255:
        refuse(path, f"holds the number {values.max()}; classes go up to 255")
    return values.astype(np.uint8)


def same_size(path: Path, values: NDArray[np.generic], picture: Path, image: RGB) -> None:
    """WebbodyError unless a map (H, W, ...) has the size of its picture."""
    if values.shape[:2] != image.shape[:2]:
        height, width = values.shape[:2]
        refuse(
            path,
            f"is {width} x {height} pixels, its picture {picture.name} {image.shape[1]} x "
            f"{image.shape[0]}; both must be of one size",
        )


def refuse(path: Path, what: str) -> NoReturn:
    """Raise WebbodyError: what is wrong with a file, and what to do."""
    raise WebbodyError(f"{path}: {what}.")
