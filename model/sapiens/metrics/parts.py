"""Intersection over union of body parts, over a whole data set.

Shape suffixes: H, W the size of a picture, C classes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.sapiens.vocabulary import PartVocabulary
from model.sapiens.vocabulary.parts import IGNORED


@dataclass(frozen=True, eq=False)
class PartFigures:
    """Fractions. accuracy: of all labelled pixels. mean_iou, mean_accuracy: over the classes.

    iou (C,): of a class, NaN where it is neither labelled nor predicted; 0 where it is predicted
    but never labelled. class_accuracy (C,): the share of a class's pixels found, NaN where none is
    labelled. Classes with NaN are left out of the means.
    """

    accuracy: float
    mean_iou: float
    mean_accuracy: float
    iou: NDArray[np.float64]
    class_accuracy: NDArray[np.float64]


class PartConfusion:
    """Counts of pixels by labelled and predicted class, added up picture by picture.

    counts (C, C) int64: labelled, predicted. Those of several processes may be added.
    """

    def __init__(self, vocabulary: PartVocabulary) -> None:
        classes = len(vocabulary)
        self.counts = np.zeros((classes, classes), np.int64)

    def add(self, predicted: NDArray[np.integer], label: NDArray[np.integer]) -> None:
        """Count a picture: predicted and label (H, W), classes; 255 in the label counts nowhere.

        Raises ValueError for different shapes and for classes outside the vocabulary.
        """
        if predicted.shape != label.shape:
            raise ValueError(f"prediction of shape {predicted.shape}, label of {label.shape}")
        classes = len(self.counts)
        counting = label != IGNORED
        rows, columns = label[counting].astype(np.int64), predicted[counting].astype(np.int64)
        for values in (rows, columns):
            if values.size and not 0 <= values.min() <= values.max() < classes:
                raise ValueError(f"classes go from 0 to {classes - 1}")
        flat = np.bincount(rows * classes + columns, minlength=classes * classes)
        self.counts += flat.reshape(classes, classes)

    def figures(self) -> PartFigures:
        """The figures of all pictures together."""
        right_C = self.counts.diagonal().astype(np.float64)
        labelled_C, predicted_C = self.counts.sum(1), self.counts.sum(0)
        iou_C = _shares(right_C, labelled_C + predicted_C - right_C)
        accuracy_C = _shares(right_C, labelled_C)
        total = int(labelled_C.sum())
        return PartFigures(
            accuracy=float(right_C.sum() / total) if total else float("nan"),
            mean_iou=_mean(iou_C),
            mean_accuracy=_mean(accuracy_C),
            iou=iou_C,
            class_accuracy=accuracy_C,
        )


def _shares(part: NDArray[np.floating], whole: NDArray[np.generic]) -> NDArray[np.float64]:
    shares = np.full(len(part), np.nan)
    np.divide(part, whole, out=shares, where=whole > 0)  # type: ignore[operator]
    return shares


def _mean(values: NDArray[np.float64]) -> float:
    return float("nan") if np.isnan(values).all() else float(np.nanmean(values))
