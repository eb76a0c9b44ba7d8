"""Evaluation of a model on labelled data of any task, in batches."""

from collections.abc import Mapping

import torch

from model.sapiens.data import DepthData, PartData, PoseData
from model.sapiens.data.box_file import PersonBoxes
from model.sapiens.data.opening import LabelledData
from model.sapiens.evaluation.common_points import COMPARABLE
from model.sapiens.evaluation.figures import (
    SapiensFigures,
    normal_figures,
    part_figures,
    surface_figures,
)
from model.sapiens.evaluation.poses import evaluate_poses
from model.sapiens.evaluation.predictors import TaskPredictor, count, predicted, samples
from model.sapiens.metrics import NormalErrors, PartConfusion, depth_figures, mean_figures
from model.sapiens.prediction import Predictor
from model.sapiens.prediction.fitting import Fit
from model.sapiens.task_model import SapiensModel
from webbody.errors import WebbodyError


def evaluate(
    model: SapiensModel,
    data: LabelledData,
    *,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    flip: bool = False,
    batch: int = 8,
    size: tuple[int, int] | None = None,
    fit: Fit = "squeeze",
    detections: Mapping[int, PersonBoxes] | None = None,
    most: int | None = None,
) -> SapiensFigures:
    """Figures of a model on labelled data of its task.

    Args:
        model: It stays as it is; a model in training goes on training.
        data: Of the model's task and outputs; keypoints also of a vocabulary that is COMPARABLE.
        device: See `Predictor`, also for dtype, flip, batch, size and fit.
        detections: For keypoints: boxes of people by the picture's id; None: the labelled ones.
        most: Look at the first so many pictures alone.

    Raises:
        WebbodyError: Data of another task or of other outputs, and data that cannot be read.
    """
    predictor = Predictor(model, device, dtype, flip, batch, size, fit)
    return figures_of(predictor, data, detections=detections, most=most)


def figures_of(
    predictor: TaskPredictor,
    data: LabelledData,
    *,
    detections: Mapping[int, PersonBoxes] | None = None,
    most: int | None = None,
) -> SapiensFigures:
    """Figures of any predictor; see `evaluate`."""
    if isinstance(data, PoseData):
        _check(predictor, "pose", len(data.vocabulary))
        return evaluate_poses(predictor, data, detections, most)
    if isinstance(data, PartData):
        _check(predictor, "segmentation", len(data.vocabulary))
        return _evaluate_parts(predictor, data, most)
    if isinstance(data, DepthData):
        _check(predictor, "depth", 1)
        each = [
            depth_figures(found, sample.depth, sample.mask)
            for sample, found in predicted(samples(data, most), predictor.depths)
        ]
        known = [figures for figures in each if figures is not None]
        counts = {"picture": len(known), "empty picture": len(each) - len(known)}
        return surface_figures(mean_figures(known), counts)
    _check(predictor, "normal", 3)
    errors = NormalErrors()
    for sample, found in predicted(samples(data, most), predictor.normals):
        errors.add(found, sample.normals, sample.mask)
    counts = {"picture": count(data, most), "undefined pixel": errors.undefined}
    return normal_figures(errors.figures(), counts)


def _evaluate_parts(predictor: TaskPredictor, data: PartData, most: int | None) -> SapiensFigures:
    confusion = PartConfusion(data.vocabulary)
    for sample, found in predicted(samples(data, most), predictor.parts):
        confusion.add(found, sample.label)
    return part_figures(confusion.figures(), data.vocabulary, {"picture": count(data, most)})


def _check(predictor: TaskPredictor, task: str, outputs: int) -> None:
    if predictor.task != task:
        raise WebbodyError(f"The model is for {predictor.task}, the data are for {task}.")
    is_comparable = task == "pose" and (predictor.outputs, outputs) in COMPARABLE
    if predictor.outputs != outputs and not is_comparable:
        what = "keypoints" if task == "pose" else "classes"
        raise WebbodyError(
            f"The model has {predictor.outputs} {what}, the data {outputs}: choose data of the "
            "model's vocabulary."
        )
