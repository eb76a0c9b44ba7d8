"""How often each keypoint is visible in the pictures of a data set (supplement C.2, Table 16)."""

from collections.abc import Sequence
from dataclasses import dataclass

import fsspec
import numpy as np

from model.shard_list import list_shards
from model.shard_samples import describe, read_samples
from webbody.errors import WebbodyError
from webbody.skeleton import COUNT, NAMES, clean


@dataclass(frozen=True)
class Visibility:
    """How many images there are, and the share of them in which each of `skeleton.NAMES` shows."""

    images: int
    share: dict[str, float]


def keypoint_visibility(datasets: Sequence[str], split: str = "train") -> Visibility:
    """The visibility of keypoints in data sets, as `list_shards` takes them.

    A point is visible where its visibility is not 0 and its coordinates are numbers: detectors'
    thresholds, and which points lie in the picture, were decided when the shards were written.
    Samples are read one by one and no picture is decoded. Raises WebbodyError where there are no
    shards or one is damaged.
    """
    images, seen_K = 0, np.zeros(COUNT, np.int64)
    for shard in list_shards(datasets, split):
        try:
            with fsspec.open(shard.url, "rb") as file:
                for members in read_samples(file, shard.url):
                    seen_K += clean(describe(members).keypoints)[:, 2] > 0
                    images += 1
        except OSError as error:
            raise WebbodyError(f"{shard.url} cannot be read: {error}") from error
    share_K = seen_K / images
    return Visibility(images, dict(zip(NAMES, share_K.tolist(), strict=True)))
