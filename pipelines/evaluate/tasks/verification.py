"""Sets of pairs of faces in `.bin` files: do both images of a pair show one person?"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from model.evaluation.readers.pairs_bin import VerificationPairs, read_pairs
from model.evaluation.verification import verify
from pipelines.evaluate.images.sources import EncodedImages
from pipelines.evaluate.models.features import ImageFeatures
from pipelines.evaluate.tasks.figure import Curve, TaskResult


@dataclass(frozen=True)
class VerificationTask:
    """Pairs that were read; an image's key is its number."""

    name: str
    path: str
    pairs: VerificationPairs

    @classmethod
    def read(cls, name: str, path: str) -> "VerificationTask":
        """The pairs of `path`, or of `NAME.bin` in it; raises WebbodyError."""
        file = Path(path)
        return cls(name, path, read_pairs(file / f"{name}.bin" if file.is_dir() else file))

    @property
    def images(self) -> list[str]:
        return list(self.source().keys)

    def source(self) -> EncodedImages:
        return EncodedImages(self.path, self.pairs.images)

    def figures(self, image_features: ImageFeatures) -> Iterator[TaskResult]:
        """Accuracy over ten folds, of the pairs both of whose images have a feature."""
        whole = image_features.present_N.reshape(-1, 2).all(1)
        kept = np.repeat(whole, 2)[image_features.present_N]
        features_MF = image_features.features_MF[kept]
        found = verify(features_MF, self.pairs.same[whole])
        counts = {"pairs": found.pairs, "pairs without features": int((~whole).sum())}
        metrics = {"accuracy": found.accuracy, "std": found.std}
        yield TaskResult("verification", metrics, counts, curve=Curve("ROC", found.fpr, found.tpr))
