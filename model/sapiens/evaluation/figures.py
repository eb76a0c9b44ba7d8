"""Figures of a task's model, named and in the units of the paper's tables."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from model.sapiens.metrics import DepthFigures, KeypointFigures, NormalFigures, PartFigures
from model.sapiens.vocabulary import PartVocabulary

_AVERAGES = {
    "AP": "ap", "AP50": "ap50", "AP75": "ap75", "AP medium": "ap_medium", "AP large": "ap_large",
    "AR": "ar", "AR50": "ar50", "AR75": "ar75", "AR medium": "ar_medium", "AR large": "ar_large",
}  # fmt: skip
_DEPTH = {
    "RMSE": "rmse", "AbsRel": "abs_rel", "delta1": "delta1", "delta2": "delta2", "delta3": "delta3",
    "SqRel": "sq_rel", "RMSE log": "rmse_log", "log10": "log10", "SILog": "silog",
}  # fmt: skip
_NORMAL = {
    "mean": "mean", "median": "median", "below 11.25": "below_11_25", "below 22.5": "below_22_5",
    "below 30": "below_30",
}  # fmt: skip


class SapiensFigure(NamedTuple):
    """A figure; NaN where the data do not define it."""

    name: str
    value: float
    higher_is_better: bool


@dataclass(frozen=True)
class SapiensFigures:
    """All figures of a task, the main one first.

    Keypoints: percent, `whole_body AP` first; `body AP` where that is all there is, and `shared AP`
    where model and data are of different vocabularies (`common_points`). Parts:
    percent, `mIoU` first. Depth: `RMSE` first, in the data's unit after scale and shift of each
    picture are fitted; `delta1` and the others are fractions. Normals: `mean` first, in degrees;
    `below ...` in percent. counts: of what was looked at, such as pictures.
    """

    task: str
    figures: tuple[SapiensFigure, ...]
    counts: Mapping[str, int]

    @property
    def main(self) -> SapiensFigure:
        """The one by which models of a task are compared."""
        return self.figures[0]

    def value(self, name: str) -> float | None:
        """A figure's value; None where the task's data have none of that name."""
        return next((figure.value for figure in self.figures if figure.name == name), None)


def pose_figures(
    groups: Mapping[str, KeypointFigures], counts: Mapping[str, int]
) -> SapiensFigures:
    """Figures of every group of keypoints."""
    if set(groups) == {"body", "whole_body"}:  # COCO's 17 points are those of the body
        names = ["body"]
    else:
        first = "whole_body" if "whole_body" in groups else "shared"
        names = [first, *(name for name in groups if name != first)]
    found = [
        SapiensFigure(f"{group} {name}", 100 * getattr(groups[group], field), True)
        for group in names
        for name, field in _AVERAGES.items()
    ]
    return SapiensFigures("pose", tuple(found), counts)


def part_figures(
    figures: PartFigures, vocabulary: PartVocabulary, counts: Mapping[str, int]
) -> SapiensFigures:
    """Means, and the intersection over union of every class."""
    found = [
        SapiensFigure("mIoU", 100 * figures.mean_iou, True),
        SapiensFigure("mAcc", 100 * figures.mean_accuracy, True),
        SapiensFigure("accuracy", 100 * figures.accuracy, True),
    ]
    for name, value in zip(vocabulary.names, figures.iou.tolist(), strict=True):
        found.append(SapiensFigure(f"IoU {name}", 100 * value, True))
    return SapiensFigures("segmentation", tuple(found), counts)


def surface_figures(figures: DepthFigures | None, counts: Mapping[str, int]) -> SapiensFigures:
    """Means over pictures; None: no pixel of any counted."""
    found = [
        SapiensFigure(
            name,
            float("nan") if figures is None else getattr(figures, field),
            name.startswith("delta"),
        )
        for name, field in _DEPTH.items()
    ]
    return SapiensFigures("depth", tuple(found), counts)


def normal_figures(figures: NormalFigures, counts: Mapping[str, int]) -> SapiensFigures:
    """Angles over all pixels of people."""
    found = [
        SapiensFigure(name, getattr(figures, field), name.startswith("below"))
        for name, field in _NORMAL.items()
    ]
    return SapiensFigures("normal", tuple(found), counts)
