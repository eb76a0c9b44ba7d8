"""CCVID's clips: a track cut into pieces of 16 frames that each are a retrieval item.

Shape suffixes: N frames of all tracks, M frames of all clips.
"""

import numpy as np
from numpy.typing import NDArray

CLIP = 16
#: The most frames between a clip's neighbours.
STRIDE = 4


def cut_clips(frames: int) -> NDArray[np.int64]:
    """Positions (clips, 16) in a track of `frames` frames: ceil(frames / 16) clips.

    Blocks of 64 frames give 4 clips of every 4th frame; in the rest, s = its frames // 16 clips
    take every s-th frame; what remains is one clip that is filled by starting again (the authors'
    cutting).
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


def frames_of_clips(track_N: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The frames of all clips of all tracks (M,), by number, and which clip each is in (M,).

    track_N says which track a frame is of; a track's frames are in their order. With these frames'
    images, `pool_tracks` makes a feature of each clip. A frame that fills a clip counts again.
    """
    order_N = np.argsort(track_N, kind="stable")
    starts = np.flatnonzero(np.diff(track_N[order_N], prepend=track_N.min(initial=0) - 1))
    tracks = np.split(order_N, starts[1:])
    clips = [track[cut_clips(len(track))] for track in tracks]
    frame_M = np.concatenate(clips).ravel() if clips else np.zeros(0, np.int64)
    return frame_M, np.arange(len(frame_M)) // CLIP
