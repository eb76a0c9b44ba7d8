"""Clips: the frames of a track that lie together in a shard, and one feature for each of them.

Shape suffixes: B clips of a batch, T frames, K keypoints, F feature size.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from model.features.samples import Sample
from model.sapiensid.sapiensid import SapiensID
from webbody.errors import WebbodyError

#: head: the head looks at all frames at once. mean: of the frames' own features, each of length 1.
Pooling = Literal["head", "mean"]


@dataclass(frozen=True)
class Clip:
    """Frames of a track in their order; an image that is of no track is a clip of its own.

    source, track: the shard, and the track in it or the image's key.
    """

    source: str
    track: str
    person: int | None
    frames: Sequence[Sample]


def read_clips(samples: Iterable[Sample], most: int) -> Iterator[Clip]:
    """The clips of samples that come shard by shard.

    Args:
        samples: Of one or several shards (`read_shard`).
        most: Frames of a clip; of longer tracks as many are taken, evenly spread over the track.
            Damaged pictures do not count.

    Yields:
        A clip for each track that has a frame that can be read.

    Raises:
        WebbodyError: Frames of a track show different people, or do not lie together; or `most` is
            less than 1.
    """
    if most < 1:
        raise WebbodyError(f"a clip has {most} frames: give 1 or more.")
    seen: set[tuple[str, str]] = set()
    for (source, track), frames in groupby(samples, lambda one: (one.source, one.track or one.key)):
        if (source, track) in seen:
            raise WebbodyError(
                f"{source}: the frames of track {track} do not lie together; write the shard with "
                "each track's frames one behind the other."
            )
        seen.add((source, track))
        every = list(frames)
        if len({frame.person for frame in every}) > 1:
            raise WebbodyError(f"{source}: the frames of track {track} show different people.")
        good = [frame for frame in every if frame.outcome is None]
        if good:
            places = np.linspace(0, len(good) - 1, min(most, len(good))).round().astype(int)
            yield Clip(source, track, every[0].person, [good[place] for place in places])


class ClipExtractor:
    """A model that gives a feature for each clip.

    Args:
        model: Any head; it is put on the device, in evaluation mode.
        pooling: What makes one feature of the frames.
        device: Where to; on CUDA in bfloat16.
        batch: Clips at a time.
    """

    def __init__(
        self, model: SapiensID, pooling: Pooling = "head", device: str = "cpu", batch: int = 8
    ) -> None:
        if pooling not in get_args(Pooling):
            ways = " or ".join(get_args(Pooling))
            raise WebbodyError(f"there is no way {pooling!r} to pool frames; choose {ways}.")
        self.model, self.pooling = model.to(device).eval(), pooling
        self.device, self.batch = device, batch

    def __call__(self, clips: Iterable[Clip]) -> Iterator[tuple[Clip, NDArray[np.float32]]]:
        """Clips with their features (F,), in their order."""
        waiting = iter(clips)
        while some := list(islice(waiting, self.batch)):
            yield from zip(some, self._features(some), strict=True)

    @torch.inference_mode()
    def _features(self, clips: Sequence[Clip]) -> NDArray[np.float32]:
        longest, size = max(len(clip.frames) for clip in clips), self.model.image_size
        pixels = np.zeros((len(clips), longest, size, size, 3), np.uint8)
        points = np.zeros((len(clips), longest, self.model.keypoints, 3), np.float32)
        there = np.zeros((len(clips), longest), bool)
        for row, clip in enumerate(clips):
            for place, frame in enumerate(clip.frames):
                if frame.image is not None and frame.keypoints is not None:
                    pixels[row, place], points[row, place] = frame.image, frame.keypoints
                    there[row, place] = True
        images_BTCHW = torch.from_numpy(pixels).to(self.device).permute(0, 1, 4, 2, 3)
        images_BTCHW = images_BTCHW.float().div(127.5).sub(1)
        keypoints_BTK3 = torch.from_numpy(points).to(self.device)
        frames_BT = torch.from_numpy(there).to(self.device)
        cuda = self.device.startswith("cuda")
        with torch.autocast("cuda", torch.bfloat16) if cuda else nullcontext():
            if self.pooling == "head":
                feature_BF = self.model.clip(images_BTCHW, keypoints_BTK3, frames_BT).float()
            else:
                feature_BF = self._mean(images_BTCHW, keypoints_BTK3, frames_BT)
        features: NDArray[np.float32] = feature_BF.cpu().numpy()
        return features

    def _mean(self, images_BTCHW: Tensor, keypoints_BTK3: Tensor, frames_BT: Tensor) -> Tensor:
        features = self.model(images_BTCHW[frames_BT], keypoints_BTK3[frames_BT]).float()
        feature_BTF = features.new_zeros(*frames_BT.shape, features.shape[-1])
        feature_BTF[frames_BT] = F.normalize(features, dim=-1)
        mean_BF: Tensor = feature_BTF.sum(1) / frames_BT.sum(1, keepdim=True)
        return mean_BF
