"""IJB-S: people in videos of surveillance cameras and drones, searched among still images.

Shape suffixes: N rows of the table, T templates, F feature size.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from model.evaluation.images import Images
from model.evaluation.pooling import pool_templates
from model.evaluation.readers.ijbs import read_ijbs
from pipelines.evaluate.images.sources import FolderImages
from pipelines.evaluate.models.features import ImageFeatures
from pipelines.evaluate.tasks.figure import TaskResult
from pipelines.evaluate.tasks.identification import identification

#: Probes and galleries of the figures; each gallery has two halves.
_FIGURES = {
    "surveillance to single": ("surveillance", "single"),
    "surveillance to booking": ("surveillance", "booking"),
    "UAV to booking": ("uav", "booking"),
}


@dataclass(frozen=True)
class Surveillance:
    """The table of templates that was read."""

    name: str
    path: str
    table: pa.Table

    @classmethod
    def read(cls, name: str, path: str) -> "Surveillance":
        """The data set of a folder; raises WebbodyError."""
        return cls(name, path, read_ijbs(path))

    @property
    def images(self) -> list[str]:
        images: list[str] = pc.unique(self.table["image"].drop_null()).to_pylist()
        return images

    def source(self) -> FolderImages:
        return FolderImages(str(Path(self.path, "crops")), self.images)

    def figures(self, image_features: ImageFeatures) -> Iterator[TaskResult]:
        """Ranks in both halves of the galleries together, and open-set rates, their mean."""
        for name, (probe, gallery) in _FIGURES.items():
            halves = [self._templates(image_features, [f"{gallery}_g{half}"]) for half in (1, 2)]
            query = self._templates(image_features, [probe])
            both = self._templates(image_features, [f"{gallery}_g1", f"{gallery}_g2"])
            yield identification(name, query, halves, both, image_features.missing)

    def _templates(self, image_features: ImageFeatures, roles: list[str]) -> Images:
        """Templates with these roles: the means of their images' raw features."""
        rows = self.table.filter(pc.is_in(self.table["role"], pa.array(roles)))
        template_N = rows["template"].to_numpy()
        features_TF, numbers_T = pool_templates(self._features(image_features, rows), template_N)
        first = np.searchsorted(np.sort(template_N), numbers_T.cpu().numpy())
        person_N = rows["person"].to_numpy()[np.argsort(template_N, kind="stable")]
        return Images(features_TF, person_N[first])

    def _features(self, image_features: ImageFeatures, rows: pa.Table) -> Tensor:
        """Features (N, F) of rows; zeros where there is no crop, or none that has a feature."""
        names = pa.array(self.images)
        place = pc.fill_null(pc.index_in(rows["image"], names), -1).to_numpy()
        # The place of each image among those that have a feature.
        order = np.where(image_features.present_N, np.cumsum(image_features.present_N) - 1, -1)
        place = np.where(place >= 0, order[place], -1)
        index = torch.from_numpy(place).to(image_features.features_MF.device)
        return image_features.features_MF[index.clamp(min=0)].float() * (index >= 0)[:, None]
