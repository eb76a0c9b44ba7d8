"""Data sets ranked by the fused scores of several models (supplement B.2, Table 8)."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import get_args

import numpy as np
import torch
from numpy.typing import NDArray

from model.evaluation.fusion import How, evaluate_fused
from pipelines.detection.devices import choose_device
from pipelines.evaluate import benchmarks
from pipelines.evaluate.models import features
from pipelines.evaluate.models.features import ImageFeatures
from pipelines.evaluate.tasks.figure import TaskResult
from pipelines.evaluate.tasks.retrieval import Retrieval, figure_of
from pipelines.study.figures import Point, points
from webbody.config import BuildConfig
from webbody.errors import WebbodyError, error_context


def fuse(name: str, path: str, files: Sequence[str], config: BuildConfig) -> list[Point]:
    """The figures of a data set by each of several files of features, and by their fused scores.

    Images without a feature in any file are left out; one without a feature in some is ranked by
    the others' scores, and last where a file is judged alone. Raises WebbodyError.
    """
    task = benchmarks.read(name, path)
    if not isinstance(task, Retrieval):
        raise WebbodyError(f"{name}: scores are fused where queries are searched in a gallery.")
    if len(files) < 2:
        raise WebbodyError(
            "Scores are fused of two files of features or more: give --features twice."
        )
    device = choose_device(config.resources.device)
    with error_context(f"{name}: "):
        found = [features.read(file, task.images, name) for file in files]
        present_N = np.any([image_features.present_N for image_features in found], 0)
        filled = [_filled(image_features, present_N) for image_features in found]
        sets = [
            replace(image_features, features_MF=image_features.features_MF.to(device))
            for image_features in filled
        ]
        model = " + ".join(files)
        out = []
        for file, image_features in zip(_distinct_names(files), sets, strict=True):
            for figure in task.figures(image_features):
                out += points("fusion", model, file, name, figure)
        for how in get_args(How):
            for figure in _fused(task, sets, how):
                out += points("fusion", model, how, name, figure)
    return out


def _fused(task: Retrieval, sets: Sequence[ImageFeatures], how: How) -> Iterator[TaskResult]:
    for searches in zip(*map(task.searches, sets), strict=True):
        first = searches[0]
        found = evaluate_fused(
            [one.query.as_images() for one in searches],
            [one.gallery.as_images() for one in searches],
            first.rule,
            how,
        )
        yield figure_of(first.name, found, len(first.gallery.name), sets[0].missing)


def _filled(image_features: ImageFeatures, present_N: NDArray[np.bool_]) -> ImageFeatures:
    """Features of all images that are present, of zeros where these have none."""
    features_MF = torch.zeros(int(present_N.sum()), image_features.features_MF.shape[1])
    features_MF[torch.from_numpy(image_features.present_N[present_N])] = (
        image_features.features_MF.float()
    )
    return ImageFeatures(features_MF, present_N)


def _distinct_names(files: Sequence[str]) -> list[str]:
    """What the files are called: their names, or all of their paths where names are equal."""
    names = [PurePath(file).stem for file in files]
    return names if len(set(names)) == len(names) else list(files)
