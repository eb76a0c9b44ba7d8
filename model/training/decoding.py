"""Pictures read from shards and decoded: the work of the loader's processes.

Shape suffixes: B pictures, S side of an image, C channels, P what is needed to find a picture.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.io import ImageReadMode, decode_jpeg

from model.shard_samples import PICTURE_ERRORS, open_picture, square
from model.training.ranges import Ranges

_START, _END = b"\xff\xd8", b"\xff\xd9"


@dataclass(frozen=True)
class Pictures:
    """Some pictures, decoded or still as files.

    images_BSSC: uint8 RGB, None where `jpegs` are handed over instead: one after the other, each
    ending where `ends` says. unreadable: why those that could not be read could not, by index.
    """

    images_BSSC: Tensor | None
    unreadable: dict[int, str]
    jpegs: Tensor | None = None
    ends: tuple[int, ...] = ()

    def pin_memory(self) -> "Pictures":
        """The same in memory from which CUDA devices copy quickly."""
        if self.images_BSSC is None:
            return self
        return Pictures(self.images_BSSC.pin_memory(), self.unreadable)


class PictureReader(Dataset[Pictures]):
    """Pictures of `shards` on white squares of `side` pixels.

    It is indexed with places_BP: shard, offset, length, and 1 where the picture is known to be
    such a square already. With `files` JPEGs are handed over as they are where a whole batch can.
    """

    def __init__(self, shards: Sequence[str], side: int, files: bool = False) -> None:
        self._side, self._files = side, files
        self._ranges = Ranges(shards)

    def __getitem__(self, places_BP: NDArray[np.int64]) -> Pictures:
        places = places_BP.tolist()
        parts = self._ranges.read([(shard, offset, length) for shard, offset, length, _ in places])
        fits = [place[3] == 1 for place in places]
        if self._files and all(map(_suits_cuda, parts, fits)):
            files = [part for part in parts if isinstance(part, bytearray)]
            ends = tuple(accumulate(map(len, files)))
            jpegs = torch.frombuffer(bytearray().join(files), dtype=torch.uint8)
            return Pictures(None, {}, jpegs, ends)
        return decode_all(parts, fits, self._side)


def decode_all(parts: Sequence[bytearray | OSError], fits: Sequence[bool], side: int) -> Pictures:
    """The pictures decoded on the CPU; those that are errors or cannot be decoded stay black."""
    images_BSSC = torch.zeros(len(parts), side, side, 3, dtype=torch.uint8)
    unreadable = {}
    for i, (part, fit) in enumerate(zip(parts, fits, strict=True)):
        try:
            if isinstance(part, OSError):
                raise part
            images_BSSC[i] = _decode(part, side, fit)
        except (RuntimeError, *PICTURE_ERRORS) as error:
            unreadable[i] = str(error).rpartition("cpp:")[2]
    return Pictures(images_BSSC, unreadable)


def decode_files(pictures: Pictures, side: int, device: str) -> Pictures:
    """The pictures whose files were handed over, decoded on a CUDA device."""
    assert pictures.jpegs is not None
    files = list(pictures.jpegs.tensor_split(pictures.ends[:-1]))
    try:
        images = decode_jpeg(files, ImageReadMode.RGB, device=device)
        return Pictures(torch.stack(images).permute(0, 2, 3, 1), {})
    except RuntimeError:
        # It says of no batch which picture is damaged; the CPU finds out.
        return decode_all([bytearray(f.numpy()) for f in files], [True] * len(files), side)


def _decode(data: bytearray, side: int, fits: bool) -> Tensor:
    """A picture (side, side, 3) uint8 RGB on a white square.

    Where it fits, a JPEG takes a faster way to the same pixels. Raises RuntimeError or one of
    PICTURE_ERRORS.
    """
    if fits and data.startswith(_START):
        image_CSS = decode_jpeg(torch.frombuffer(data, dtype=torch.uint8), ImageReadMode.RGB)
        if image_CSS.shape[1:] != (side, side):
            raise ValueError("its size has changed since the shard was read first")
        return image_CSS.permute(1, 2, 0)
    with open_picture(bytes(data)) as picture:
        return torch.from_numpy(square(picture, side).copy())


def _suits_cuda(part: bytearray | OSError, fits: bool) -> bool:
    """Whether it is a JPEG with an end, without which CUDA would decode half a picture."""
    return isinstance(part, bytearray) and fits and part.startswith(_START) and part.endswith(_END)
