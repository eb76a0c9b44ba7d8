"""Decoding foregrounds: of each sample a mask of where its person is.

Shape suffixes: B samples, S side of an image.
"""

import struct
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torchvision.io import ImageReadMode, decode_png

from webbody.geometry import fitted

#: A PNG begins with 16 bytes that are always the same, then come its width and height.
_SIZES = slice(16, 24)


def decode_masks(
    files: Sequence[bytearray | OSError | None],
    sizes: Sequence[tuple[int, int]],
    masks_BSS: Tensor,
) -> dict[int, str]:
    """Decodes foregrounds into masks_BSS; returns why some could not be, by index.

    Without a file everything is foreground. sizes: width and height of the pictures, whose
    foregrounds have the same; around pictures that are no squares is background.
    """
    unreadable = {}
    pixels_BSS = masks_BSS.numpy()
    for i, (file, size) in enumerate(zip(files, sizes, strict=True)):
        try:
            if isinstance(file, OSError):
                raise file
            pixels_BSS[i] = 255 if file is None else _decode(file, size, pixels_BSS.shape[1])
        except (RuntimeError, OSError, ValueError) as error:
            unreadable[i] = f"its foreground: {str(error).rpartition('cpp:')[2].strip()}"
    return unreadable


def _decode(data: bytearray, size: tuple[int, int], side: int) -> NDArray[np.uint8]:
    """Raises RuntimeError for what is no PNG, ValueError for one of another size."""
    if len(data) >= _SIZES.stop and (found := struct.unpack(">II", data[_SIZES])) != size:
        raise ValueError("it has {} x {} pixels, its picture {} x {}".format(*found, *size))
    file = torch.frombuffer(data, dtype=torch.uint8)
    mask: NDArray[np.uint8] = decode_png(file, ImageReadMode.GRAY)[0].numpy()
    if mask.dtype != np.uint8:
        raise ValueError("it has more than 8 bits of grey")
    if size == (side, side):
        return mask
    _, across, down, left, top = fitted(*size, side)
    square = np.zeros((side, side), np.uint8)
    resized = Image.fromarray(mask).resize((across, down), Image.Resampling.NEAREST)
    square[top : top + down, left : left + across] = np.asarray(resized)
    return square
