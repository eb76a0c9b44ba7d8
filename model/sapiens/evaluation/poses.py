"""Evaluation of keypoints: boxes of people in, similarities to their labels out.

Shape suffixes: N people of a picture, K keypoints, S keypoints that model and data share.
"""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from model.prefetch import prefetch
from model.sapiens.crops import centre_and_scale
from model.sapiens.data import KeypointFile, PoseData, read_keypoint_file
from model.sapiens.data.box_file import PersonBoxes
from model.sapiens.data.coco_keypoints import ListedPicture
from model.sapiens.evaluation.common_points import common_points
from model.sapiens.evaluation.figures import SapiensFigures, pose_figures
from model.sapiens.evaluation.predictors import AHEAD, THREADS, TaskPredictor
from model.sapiens.metrics import FoundPose, keypoint_figures
from webbody.errors import WebbodyError


def evaluate_poses(
    predictor: TaskPredictor,
    data: PoseData,
    detections: Mapping[int, PersonBoxes] | None,
    most: int | None,
) -> SapiensFigures:
    """Figures of the people of the first `most` pictures of the annotations.

    detections: boxes by the picture's id; None: those of the people with a labelled keypoint.
    """
    file = read_keypoint_file(data.annotations, data.vocabulary)
    people = _labelled_boxes(file) if detections is None else detections
    if not people.keys() & file.pictures.keys():
        raise WebbodyError(
            f"No detection is of a picture of {data.annotations}: their image_id must be those of "
            "its `images`."
        )
    pictures = list(file.pictures.values())[:most]
    looked_at = {picture.image for picture in pictures}
    jobs = [
        (picture, _inside(picture, people[picture.image]))
        for picture in pictures
        if picture.image in people
    ]
    common = common_points(predictor.outputs, len(data.vocabulary))
    found: list[FoundPose] = []
    with ThreadPoolExecutor(THREADS) as pool:
        photos = prefetch(pool, data.photo, (picture for picture, _ in jobs), AHEAD)
        poses = predictor.poses(photos, (given.boxes for _, given in jobs))
        for (picture, given), poses_NK3 in zip(jobs, poses, strict=True):
            points_NS3 = common.predicted(poses_NK3)
            found += _found(picture.image, given, points_NS3, predictor.size)
    truth = [common.labelled(person) for person in file.truth if person.image in looked_at]
    groups = keypoint_figures(truth, found, looked_at, common.vocabulary)
    counts = {"picture": len(looked_at), "labelled person": len(truth), "prediction": len(found)}
    return pose_figures(groups, counts)


def _labelled_boxes(file: KeypointFile) -> dict[int, PersonBoxes]:
    boxes: dict[int, list[NDArray[np.float64]]] = {}
    for person in file.people:
        if person.usable:
            boxes.setdefault(person.pose.image, []).append(person.pose.box)
    return {
        image: PersonBoxes(np.array(both, np.float32), np.ones(len(both), np.float32))
        for image, both in boxes.items()
    }


def _inside(picture: ListedPicture, given: PersonBoxes) -> PersonBoxes:
    """Boxes clipped to their picture."""
    sides = np.array([picture.width, picture.height] * 2, np.float32)
    boxes_N4 = np.clip(given.boxes, 0, sides)
    if (boxes_N4[:, 2:] <= boxes_N4[:, :2]).any():
        raise WebbodyError(
            f"A box of the picture {picture.image} ({picture.path}) lies outside of it; give boxes "
            "of these pictures."
        )
    return PersonBoxes(boxes_N4, given.scores)


def _found(
    image: int, given: PersonBoxes, points_NS3: NDArray[np.float32], size: tuple[int, int]
) -> Iterator[FoundPose]:
    _, scale_N2 = centre_and_scale(given.boxes, size[1] / size[0])
    for points_S3, score, scale in zip(points_NS3, given.scores.tolist(), scale_N2, strict=True):
        places_S2 = points_S3[:, :2].astype(np.float64)
        places_S2[points_S3[:, 2] <= 0] = np.nan  # absent
        yield FoundPose(
            image, places_S2, points_S3[:, 2].astype(np.float64), score, scale.astype(np.float64)
        )
