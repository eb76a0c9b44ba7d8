"""Reading and decoding pictures of shards, in the loader's processes.

Shape suffixes: N buffers, B pictures, S side of an image, C channels, P what is needed to find a
picture.
"""

import mmap
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.io import ImageReadMode, decode_jpeg

from model.training.data.masks import decode_masks
from model.training.data.ranges import Ranges
from webbody.images import MAX_PIXELS, ImageError, decode, letterbox

_END = b"\xff\xd9"
#: The grey of blocks without data in libjpeg.
_GREY = (127, 128)


@dataclass(frozen=True)
class DecodeRequests:
    """Pictures to put into a buffer: shard, offset, length, and 1 where the picture is known to be
    a plain JPEG (see webbody.images.Header) that is a square of the right size already.

    foregrounds_BP: of each its foreground's offset and length, and the picture's width and height;
    None: they are not asked for."""

    buffer: int
    places_BP: NDArray[np.int64]
    foregrounds_BP: NDArray[np.int64] | None = None


@dataclass(frozen=True)
class Done:
    """Pictures that are in a buffer now, but for the unreadable, by index, with the reason.

    Or, in `jpegs`, their files: one after the other, each ending where `ends` says.
    """

    buffer: int
    unreadable: dict[int, str]
    jpegs: Tensor | None = None
    ends: tuple[int, ...] = ()


def shared_buffers(count: int, largest: int, side: int, channels: int = 3) -> Tensor:
    """Memory (N, B, S, S, C) uint8 that forked processes share.

    Filling the same pages again and again is a quarter faster than to take new ones for each batch,
    and unlike torch's shared memory these do not count against the size of /dev/shm.
    """
    shape = (count, largest, side, side, channels)
    return torch.frombuffer(mmap.mmap(-1, int(np.prod(shape))), dtype=torch.uint8).view(shape)


class PictureReader(Dataset[Done]):
    """Reads pictures of `shards` and decodes them on white squares into buffers.

    With `files` JPEGs are handed over as they are where a whole batch can. Foregrounds that are
    asked for are put into masks_NBSS.
    """

    def __init__(
        self,
        shards: Sequence[str],
        buffers_NBSSC: Tensor,
        files: bool = False,
        masks_NBSS: Tensor | None = None,
    ) -> None:
        self._buffers_NBSSC, self._files, self._masks_NBSS = buffers_NBSSC, files, masks_NBSS
        self._ranges = Ranges(shards)

    def __getitem__(self, request: DecodeRequests) -> Done:
        places = request.places_BP.tolist()
        parts = self._ranges.read([(shard, offset, length) for shard, offset, length, _ in places])
        without_mask = self._masks(request)
        fits = [place[3] == 1 for place in places]
        if self._files and all(map(_suits_cuda, parts, fits)):
            files = [part for part in parts if isinstance(part, bytearray)]
            ends = tuple(accumulate(map(len, files)))
            jpegs = torch.frombuffer(bytearray().join(files), dtype=torch.uint8)
            return Done(request.buffer, without_mask, jpegs, ends)
        unreadable = decode_all(parts, fits, self._buffers_NBSSC[request.buffer])
        return Done(request.buffer, without_mask | unreadable)

    def _masks(self, request: DecodeRequests) -> dict[int, str]:
        """Put the foregrounds into their buffer; why some cannot be read, by index."""
        if request.foregrounds_BP is None or self._masks_NBSS is None:
            return {}
        asked = request.foregrounds_BP.tolist()
        shards = request.places_BP[:, 0].tolist()
        there = {
            i: (shard, offset, length)
            for i, (shard, (offset, length, _, _)) in enumerate(zip(shards, asked, strict=True))
            if length
        }
        files = dict(zip(there, self._ranges.read(list(there.values())), strict=True))
        return decode_masks(
            [files.get(i) for i in range(len(asked))],
            [(width, height) for _, _, width, height in asked],
            self._masks_NBSS[request.buffer],
        )


def decode_all(
    parts: Sequence[bytearray | OSError], fits: Sequence[bool], images_BSSC: Tensor
) -> dict[int, str]:
    """Decodes on the CPU into images_BSSC; returns why some could not be, by index."""
    unreadable = {}
    pixels_BSSC = images_BSSC.numpy()  # which copies faster than torch
    for i, (part, fit) in enumerate(zip(parts, fits, strict=True)):
        try:
            if isinstance(part, OSError):
                raise part
            pixels_BSSC[i] = _decode(part, pixels_BSSC.shape[1], fit)
        except (RuntimeError, OSError, ValueError, ImageError) as error:
            unreadable[i] = str(error).rpartition("cpp:")[2]
    return unreadable


def decode_files(done: Done, side: int, device: str) -> tuple[Tensor, dict[int, str]]:
    """The pictures of files handed over, (B, S, S, C) on a CUDA device, and the unreadable ones."""
    assert done.jpegs is not None
    files = list(done.jpegs.tensor_split(done.ends[:-1]))
    try:
        images = decode_jpeg(files, ImageReadMode.RGB, device=device)
        return torch.stack(images).permute(0, 2, 3, 1), {}
    except RuntimeError:
        # It does not say which picture is damaged; the CPU finds out.
        images_BSSC = torch.empty(len(files), side, side, 3, dtype=torch.uint8)
        parts = [bytearray(file.numpy()) for file in files]
        unreadable = decode_all(parts, [True] * len(files), images_BSSC)
        return images_BSSC.to(device), unreadable


def _decode(data: bytearray, side: int, fits: bool) -> NDArray[np.uint8]:
    """A picture (side, side, 3) uint8 sRGB on a white square.

    What fits, a plain JPEG, takes a faster way to the same pixels. Raises RuntimeError,
    ValueError or ImageError.
    """
    if fits:
        image_CSS = decode_jpeg(torch.frombuffer(data, dtype=torch.uint8), ImageReadMode.RGB)
        if image_CSS.shape[1:] != (side, side):
            raise ValueError("its size has changed since the shard was read first")
        picture: NDArray[np.uint8] = image_CSS.permute(1, 2, 0).numpy()
        if not all(value in _GREY for value in picture[-1, -1]):
            return picture
        # The other decoder finds out whether it is a picture that ends grey, or lacks its end.
    picture = decode(bytes(data), MAX_PIXELS)
    return picture if picture.shape[:2] == (side, side) else letterbox(picture, side)[0]


def _suits_cuda(part: bytearray | OSError, fits: bool) -> bool:
    """Whether it has an end, without which CUDA would decode half a picture."""
    return isinstance(part, bytearray) and fits and part.endswith(_END)
