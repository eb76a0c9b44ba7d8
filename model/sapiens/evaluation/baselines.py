"""What needs no learning from pictures: constant predictions, and a model that was not trained."""

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from model.sapiens.data import (
    DepthData,
    NormalData,
    PartData,
    PoseData,
    read_keypoint_file,
)
from model.sapiens.data.opening import LabelledData
from model.sapiens.evaluation.predictors import samples
from model.sapiens.prediction.people import checked_boxes
from model.sapiens.prediction.predictor import Boxes, Photo
from model.sapiens.sizes import EncoderSize
from model.sapiens.task_model import SapiensModel
from model.sapiens.vocabulary.parts import IGNORED

_UPRIGHT = (4, 3)  # proportions of the published inputs


class ConstantPredictor:
    """The same for every person or pixel.

    value: for poses keypoints (K, 3), x and y as shares of the box; for parts a class; for depth a
    number; for normals a vector (3,).
    """

    size = _UPRIGHT

    def __init__(self, task: str, outputs: int, value: NDArray[np.float32]) -> None:
        self.task, self.outputs, self.value = task, outputs, value

    def poses(
        self, photos: Iterable[Photo], boxes: Iterable[Boxes]
    ) -> Iterator[NDArray[np.float32]]:
        """The keypoints in each box."""
        for photo, given in zip(photos, boxes, strict=True):
            boxes_N4 = checked_boxes(photo, given)
            found = np.repeat(self.value[None], len(boxes_N4), 0)
            sides_N2 = boxes_N4[:, 2:] - boxes_N4[:, :2]
            found[..., :2] = found[..., :2] * sides_N2[:, None] + boxes_N4[:, None, :2]
            yield found

    def parts(self, photos: Iterable[Photo]) -> Iterator[NDArray[np.uint8]]:
        """The class everywhere."""
        for values in self._everywhere(photos):
            yield values.astype(np.uint8)

    def depths(self, photos: Iterable[Photo]) -> Iterator[NDArray[np.float32]]:
        """The depth everywhere."""
        return self._everywhere(photos)

    def normals(self, photos: Iterable[Photo]) -> Iterator[NDArray[np.float32]]:
        """The normal everywhere."""
        return self._everywhere(photos)

    def _everywhere(self, photos: Iterable[Photo]) -> Iterator[NDArray[np.float32]]:
        for photo in photos:
            out = np.empty((*photo.shape[:2], *self.value.shape), np.float32)
            out[:] = self.value
            yield out


def mean_predictor(data: LabelledData, most: int | None = None) -> ConstantPredictor:
    """What is best where a picture is not looked at, of the data that it is evaluated on.

    The mean place of each keypoint in its box; the most frequent class; any depth, of which the
    evaluation's fit makes each picture's own mean; the mean normal of the people's pixels.
    """
    if isinstance(data, PoseData):
        return ConstantPredictor("pose", len(data.vocabulary), _mean_pose(data, most))
    if isinstance(data, PartData):
        counts = np.zeros(256, np.int64)
        for sample in samples(data, most):
            counts += np.bincount(sample.label.ravel(), minlength=256)
        counts[IGNORED] = 0
        frequent = np.array(counts.argmax(), np.float32)
        return ConstantPredictor("segmentation", len(data.vocabulary), frequent)
    if isinstance(data, DepthData):
        return ConstantPredictor("depth", 1, np.array(1, np.float32))
    return ConstantPredictor("normal", 3, _mean_normal(data, most))


def untrained(model: SapiensModel, seed: int = 0) -> SapiensModel:
    """A model of the same kind and size with the weights that training begins with."""
    config = model.config
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return SapiensModel(
            config["task"],
            EncoderSize(**config["size"]),
            model.encoder.image_size,
            model.outputs,
            channels=model.channels,
            patch_padding=model.encoder.patch_padding,
        ).eval()


def _mean_pose(data: PoseData, most: int | None) -> NDArray[np.float32]:
    file = read_keypoint_file(data.annotations, data.vocabulary)
    looked_at = set(list(file.pictures)[:most])
    total, seen = np.zeros((len(data.vocabulary), 2)), np.zeros(len(data.vocabulary))
    for person in file.people:
        if person.usable and person.pose.image in looked_at:
            corner, end = person.pose.box[:2], person.pose.box[2:]
            labelled = person.pose.keypoints[:, 2] > 0
            total[labelled] += ((person.pose.keypoints[:, :2] - corner) / (end - corner))[labelled]
            seen += labelled
    mean = total / np.maximum(seen, 1)[:, None]
    return np.concatenate([mean, seen[:, None] > 0], 1).astype(np.float32)


def _mean_normal(data: NormalData, most: int | None) -> NDArray[np.float32]:
    total = np.zeros(3)
    for sample in samples(data, most):
        total += sample.normals[sample.mask].astype(np.float64).sum(0)
    length = np.linalg.norm(total)
    return np.asarray(total / length if length > 0 else (0, 0, 1), np.float32)
