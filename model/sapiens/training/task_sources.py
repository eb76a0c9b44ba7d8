"""Labelled pictures of the four tasks as samples of a run.

Sizes are height and width, as models have them; augmentation counts width first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from model.sapiens.augmentation import (
    DEPTH_AUGMENTATION,
    NORMAL_AUGMENTATION,
    PART_AUGMENTATION,
    DenseAugmentation,
    PoseAugmentation,
    depth_input,
    normal_input,
    part_input,
    pose_input,
)
from model.sapiens.data import DepthData, PartData, PoseData
from model.sapiens.data.opening import LabelledData, labelled_data
from model.sapiens.training.sources import Arrays
from webbody.errors import WebbodyError


def read_data(
    task: str, sources: Sequence[str], outputs: int, images: Sequence[str] = ()
) -> list[LabelledData]:
    """The labelled pictures of each source.

    sources: of pose keypoint files, with the folders of their pictures in `images`; of the other
    tasks folders. outputs: keypoints or classes. Raises WebbodyError.
    """
    if images and len(images) != len(sources):
        raise WebbodyError(
            f"{len(images)} folders of images do not belong to {len(sources)} keypoint files: name "
            "one for each of them, or none"
        )
    folders: list[Path | None] = [*map(Path, images)] or [None] * len(sources)
    return [
        labelled_data(task, outputs, Path(source), folder)
        for source, folder in zip(sources, folders, strict=True)
    ]


def augmentation_of(task: str, arguments: Mapping[str, Any]) -> Any:
    """The task's augmentation with some arguments changed; TypeError where there is no such."""
    given = {k: tuple(v) if isinstance(v, list) else v for k, v in arguments.items()}
    defaults: dict[str, PoseAugmentation | DenseAugmentation] = {
        "pose": PoseAugmentation(),
        "segmentation": PART_AUGMENTATION,
        "depth": DEPTH_AUGMENTATION,
        "normal": NORMAL_AUGMENTATION,
    }
    return replace(defaults[task], **given)  # type: ignore[arg-type]


@dataclass(frozen=True)
class TaskSamples:
    """Samples of several data sets of a task, one after the other.

    size: height and width of the network's input. augmentation: see `augmentation_of`.
    """

    task: str
    data: Sequence[LabelledData]
    size: tuple[int, int]
    augmentation: Any

    def __len__(self) -> int:
        return sum(map(len, self.data))

    @property
    def digest(self) -> str:
        """Of all data sets."""
        return blake2b("".join(one.digest for one in self.data).encode()).hexdigest()[:32]

    def name(self, index: int) -> str:
        """The number of a sample."""
        return f"sample {index:,} of {self.task}"

    def sample(self, index: int, rng: np.random.Generator) -> Arrays:
        """`image` (3, H, W) uint8, and the task's targets.

        pose: keypoints (K, 2) in pixels of the input, visible (K,). segmentation: label (H, W).
        depth: target (H, W). normal: normals (3, H, W), mask (H, W).
        """
        for data in self.data:
            if index < len(data):
                return self._of(data, index, rng)
            index -= len(data)
        raise IndexError(index)

    def _of(self, data: LabelledData, index: int, rng: np.random.Generator) -> Arrays:
        size, how = (self.size[1], self.size[0]), self.augmentation
        if isinstance(data, PoseData):
            pose = pose_input(data[index], data.vocabulary, size, rng, how)
            found = {"keypoints": pose.keypoints, "visible": pose.visible}
            return {"image": _first_colours(pose.image), **found}
        if isinstance(data, PartData):
            parts = part_input(data[index], data.vocabulary, size, rng, how)
            return {"image": _first_colours(parts.image), "label": parts.label}
        if isinstance(data, DepthData):
            depth = depth_input(data[index], size, rng, how)
            return {"image": _first_colours(depth.image), "target": depth.target}
        normal = normal_input(data[index], size, rng, how)
        return {
            "image": _first_colours(normal.image),
            "normals": _first_colours(normal.normals),
            "mask": normal.mask,
        }


def _first_colours(values_HWC: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values_HWC.transpose(2, 0, 1))
