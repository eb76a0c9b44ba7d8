"""CCVID's clips: a track cut into pieces of 16 frames that each are a retrieval item."""

import numpy as np
from numpy.typing import NDArray

CLIP = 16
#: The most frames between a clip's neighbours.
STRIDE = 4


def cut_clips(frames: int) -> NDArray[np.int64]:
    """Positions (clips, 16) in a track of `frames` frames: ceil(frames / 16) clips.

    Blocks of 64 frames give 4 clips of every 4th frame; in the rest, s = its frames // 16 clips
    take every s-th frame; what remains is one clip that is filled by starting again. (The
    authors' validation set; the figures are those of the official cutting.)
    """
    clips = []
    start = 0
    while frames - start >= CLIP:
        stride = min(STRIDE, (frames - start) // CLIP)
        block = np.arange(start, start + stride * CLIP)
        clips.append(block.reshape(CLIP, stride).T)
        start += stride * CLIP
    if start < frames:
        clips.append(np.resize(np.arange(start, frames), (1, CLIP)))
    return np.concatenate(clips) if clips else np.zeros((0, CLIP), np.int64)
