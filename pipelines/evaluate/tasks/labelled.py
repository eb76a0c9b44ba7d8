"""Features with their labels: of images, of tracks, or of clips.

Shape suffixes: M images that have a feature, F feature size.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.evaluation.clips import frames_of_clips
from model.evaluation.images import Images
from model.evaluation.pooling import pool_tracks


@dataclass(frozen=True)
class LabelledFeatures:
    """Features (M, F) and labels (M,) of images, tracks or clips."""

    features_MF: Tensor
    person: NDArray[np.int64]
    camera: NDArray[np.int64]
    clothes: NDArray[np.int64]
    role_M: NDArray[np.object_]
    track: NDArray[np.int64]
    name: list[str]

    @classmethod
    def of(cls, table: pa.Table, features_MF: Tensor) -> "LabelledFeatures":
        labels = {x: table[x].to_numpy() for x in ("person", "camera", "clothes", "track")}
        role_M = np.array(table["role"].to_pylist(), object)
        return cls(features_MF, role_M=role_M, name=table["image"].to_pylist(), **labels)

    def at(self, rows: NDArray[np.integer]) -> "LabelledFeatures":
        labels = {x: getattr(self, x)[rows] for x in ("person", "camera", "clothes", "track")}
        name = [self.name[row] for row in rows]
        features_MF = self.features_MF[torch.from_numpy(rows).to(self.features_MF.device)]
        return LabelledFeatures(features_MF, role_M=self.role_M[rows], name=name, **labels)

    def role(self, role: str) -> "LabelledFeatures":
        return self.at(np.flatnonzero(self.role_M == role))

    def as_images(self) -> Images:
        return Images(self.features_MF, self.person, self.camera, self.clothes)

    def tracks(self) -> "LabelledFeatures":
        return self._pooled(self.track)

    def clips(self) -> "LabelledFeatures":
        frame_M, clip_M = frames_of_clips(self.track)
        return self.at(frame_M)._pooled(clip_M)

    def _pooled(self, number_M: NDArray[np.int64]) -> "LabelledFeatures":
        pooled, _ = pool_tracks(self.as_images(), number_M)
        # Numbers ascend in the result, and their first rows say what else is known.
        first = np.unique(number_M, return_index=True)[1]
        labels = {x: getattr(self, x)[first] for x in ("person", "camera", "clothes", "track")}
        assert isinstance(pooled.features, Tensor)
        name = [self.name[row] for row in first]
        return LabelledFeatures(pooled.features, role_M=self.role_M[first], name=name, **labels)
