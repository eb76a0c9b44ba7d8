"""IJB-B and IJB-C: templates of several images, compared in pairs and searched in galleries.

Shape suffixes: N images, M of them that have a feature, T templates, P pairs, F feature size.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from model.evaluation.images import Images, inverse_lengths
from model.evaluation.pooling import pool_templates
from model.evaluation.readers.ijb import Ijb, read_ijb
from model.evaluation.readers.ijb_search import HALVES, PROBE
from model.evaluation.tar_at_far import pair_scores, roc, tar_at_far
from pipelines.evaluate.images.sources import AlignedFaces, FolderImages
from pipelines.evaluate.models.features import ImageFeatures
from pipelines.evaluate.tasks.figure import Curve, TaskResult
from pipelines.evaluate.tasks.identification import identification
from webbody.errors import WebbodyError

#: Points of a ROC that are kept to be drawn.
_POINTS = 400


@dataclass(frozen=True)
class Templates:
    """Images, templates and lists that were read; aligned: faces are aligned by the landmarks."""

    name: str
    path: str
    ijb: Ijb
    aligned: bool

    @classmethod
    def read(cls, name: str, path: str, *, aligned: bool) -> "Templates":
        """The data set of a folder, or of its folder IJBB or IJBC; raises WebbodyError."""
        expected = name.removesuffix("_aligned")
        inside = Path(path, expected.upper())
        root = str(inside if inside.is_dir() else path)
        ijb = read_ijb(root)
        if ijb.name != expected:
            raise WebbodyError(f"{root}: the lists here are those of {ijb.name}, not {expected}")
        return cls(name, root, ijb, aligned)

    @property
    def images(self) -> list[str]:
        images: list[str] = self.ijb.images["image"].to_pylist()
        return images

    def source(self) -> FolderImages | AlignedFaces:
        """Raises WebbodyError where images are missing that the lists name."""
        images = list(dict.fromkeys(self.images))
        missing = [image for image in images if not Path(self.path, image).is_file()]
        if missing:
            raise WebbodyError(
                f"{self.path}: {len(missing):,} of {len(images):,} images that its lists name are "
                f"missing, the first is {missing[0]}"
            )
        source = FolderImages(self.path, images)
        if not self.aligned:
            return source
        points = self.ijb.images["landmarks"].combine_chunks().flatten().to_numpy()
        landmarks = dict(zip(self.images, points.reshape(-1, 5, 2), strict=True))
        return AlignedFaces(source, landmarks)

    def figures(self, image_features: ImageFeatures) -> Iterator[TaskResult]:
        """TAR at small FAR of the pairs, and the probes searched in the gallery."""
        pooled_TF, numbers_T = self._pooled(image_features)
        yield self._verified(image_features, pooled_TF, numbers_T)
        if self.ijb.search is not None:
            sides = [
                _enrolled(self.ijb.search, roles, pooled_TF, numbers_T)
                for roles in ([PROBE], HALVES[:1], HALVES[1:], HALVES)
            ]
            probes, *halves, gallery = sides
            yield identification("identification", probes, halves, gallery, image_features.missing)

    def _pooled(self, image_features: ImageFeatures) -> tuple[Tensor, Tensor]:
        """Features (T, F) of templates, and their numbers; an image weighs as its face's score."""
        table = self.ijb.images
        device = image_features.features_MF.device
        score_N = torch.tensor(table["score"].to_numpy()).to(device)
        # Images without a feature weigh nothing.
        present_N = torch.from_numpy(image_features.present_N).to(device)
        features_NF = image_features.features_MF.new_zeros(
            (len(present_N), image_features.features_MF.shape[1]), dtype=torch.float32
        )
        weight_M = inverse_lengths(image_features.features_MF, "image") * score_N[present_N]
        features_NF[present_N] = image_features.features_MF * weight_M[:, None]
        return pool_templates(features_NF, table["template"].to_numpy(), table["media"].to_numpy())

    def _verified(
        self, image_features: ImageFeatures, pooled_TF: Tensor, numbers_T: Tensor
    ) -> TaskResult:
        scores_P = pair_scores(pooled_TF, numbers_T, self.ijb.first, self.ijb.second)
        found = tar_at_far(scores_P, self.ijb.same)
        metrics = {f"TAR@FAR={far:.0e}": tar for far, tar in zip(found.far, found.tar, strict=True)}
        unresolved = [f"{far:.0e}" for far in found.far[~found.resolved]]
        notes = []
        if unresolved:
            rates = ", ".join(unresolved)
            notes.append(f"{found.negatives:,} negatives are too few for a FAR of {rates}")
        if self.ijb.missing:
            lists = ", ".join(self.ijb.missing)
            notes.append(f"nobody is searched in a gallery (1:N), as meta has no {lists}")
        counts = {
            "pairs of one person": found.positives,
            "pairs of two": found.negatives,
            "images without a feature": image_features.missing,
        }
        fpr, tpr, _ = roc(scores_P.double().cpu().numpy(), self.ijb.same)
        kept = np.unique(np.linspace(0, len(fpr) - 1, min(_POINTS, len(fpr))).astype(int))
        name = "aligned" if self.aligned else "loose crops"
        return TaskResult(name, metrics, counts, notes, Curve("ROC", fpr[kept], tpr[kept]))


def _enrolled(
    search: pa.Table, roles: Sequence[str], pooled_TF: Tensor, numbers_T: Tensor
) -> Images:
    """The templates that have one of these roles, each once."""
    rows = search.filter(pc.is_in(search["role"], pa.array(roles)))
    template_T, first_T = np.unique(rows["template"].to_numpy(), return_index=True)
    # All have images, so that they are among the numbers, which ascend.
    place_T = torch.searchsorted(numbers_T, torch.from_numpy(template_T).to(numbers_T))
    return Images(pooled_TF[place_T], rows["person"].to_numpy()[first_T])
