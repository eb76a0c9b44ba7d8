"""IJB-B and IJB-C: templates of several images, compared in a list of pairs."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from model.evaluation.errors import EvaluationError
from model.evaluation.images import inverse_lengths
from model.evaluation.pooling import pool_templates
from model.evaluation.readers.ijb import Ijb, read_ijb
from model.evaluation.tar_at_far import pair_scores, roc, tar_at_far
from model.features.resumable import Part
from pipelines.evaluate.features import Held
from pipelines.evaluate.figure import Curve, Figure
from pipelines.evaluate.parts import Finder, of_folder

#: Points of a ROC that are kept to be drawn.
_POINTS = 400


@dataclass(frozen=True)
class Templates:
    """Images, templates and pairs that were read."""

    name: str
    path: str
    ijb: Ijb
    finds = True

    @classmethod
    def read(cls, name: str, path: str) -> "Templates":
        """The data set of a folder, or of its folder IJBB or IJBC; raises EvaluationError."""
        inside = Path(path, name.upper())
        ijb = read_ijb(inside if inside.is_dir() else path)
        return cls(name, str(inside if inside.is_dir() else path), ijb)

    @property
    def images(self) -> list[str]:
        return self.ijb.images["image"].to_pylist()

    def parts(self, finder: Finder, size: int, max_pixels: int) -> list[Part]:
        images = list(dict.fromkeys(self.images))
        missing = [image for image in images if not Path(self.path, image).is_file()]
        if missing:
            raise EvaluationError(
                f"{self.path}: {len(missing):,} of {len(images):,} images that its lists name are "
                f"missing, the first is {missing[0]}"
            )
        return of_folder(self.path, images, finder, max_pixels)

    def figures(self, held: Held) -> Iterator[Figure]:
        """TAR at small FAR, each image weighing as the face detector's score."""
        table = self.ijb.images
        score_N = torch.tensor(table["score"].to_numpy()).to(held.features_MF.device)
        # Images without a feature weigh nothing.
        present_N = torch.from_numpy(held.present_N).to(held.features_MF.device)
        features_NF = held.features_MF.new_zeros(
            (len(present_N), held.features_MF.shape[1]), dtype=torch.float32
        )
        unit_MF = held.features_MF * inverse_lengths(held.features_MF, "image")[:, None]
        features_NF[present_N] = unit_MF * score_N[present_N, None]
        pooled_TF, numbers_T = pool_templates(
            features_NF, table["template"].to_numpy(), table["media"].to_numpy()
        )
        scores_P = pair_scores(pooled_TF, numbers_T, self.ijb.first, self.ijb.second)
        found = tar_at_far(scores_P, self.ijb.same)
        metrics = {f"TAR@FAR={far:.0e}": tar for far, tar in zip(found.far, found.tar, strict=True)}
        unresolved = [f"{far:.0e}" for far in found.far[~found.resolved]]
        notes = (
            [f"{found.negatives:,} negatives are too few for a FAR of {', '.join(unresolved)}"]
            if unresolved
            else []
        )
        counts = {
            "pairs of one person": found.positives,
            "pairs of two": found.negatives,
            "images without a feature": held.missing,
        }
        fpr, tpr, _ = roc(scores_P.double().cpu().numpy(), self.ijb.same)
        kept = np.unique(np.linspace(0, len(fpr) - 1, min(_POINTS, len(fpr))).astype(int))
        yield Figure("loose crops", metrics, counts, notes, Curve("ROC", fpr[kept], tpr[kept]))
