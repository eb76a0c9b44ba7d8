"""Predictions for many pictures, written picture by picture as they come.

Shape suffixes: H W sides of a photo.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from model.prefetch import prefetch
from model.sapiens.data.box_file import PersonBoxes
from model.sapiens.prediction import Predictor
from model.sapiens.vocabulary import keypoint_vocabulary, part_vocabulary
from model.visualization.predictions import (
    depth_picture,
    normals_picture,
    parts_picture,
    poses_picture,
)
from pipelines.base.batches import batched_by_weight
from pipelines.inference.sapiens.boxes import FindPeople
from pipelines.inference.sapiens.pictures import NamedPicture, decoded_pictures
from pipelines.inference.sapiens.results import POSES, CocoPoses, ResultFiles
from webbody.images import RGB

T = TypeVar("T")
#: Pictures that people are looked for in together, and their most pixels.
_WINDOW, _PIXELS = 32, 100_000_000
#: Results are written by so many threads, and so many may wait for them.
_THREADS, _BEHIND = 4, 8


@dataclass
class PredictionSummary:
    """What became of the pictures.

    people: with keypoints. whole: pictures in which a detector found nobody, taken whole.
    unreadable: path and reason of pictures without a result.
    """

    pictures: int = 0
    people: int = 0
    whole: int = 0
    unreadable: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class _Job:
    picture: NamedPicture
    pixels: RGB
    people: PersonBoxes | None
    mask: NDArray[np.bool_] | None


def predict(
    pictures: Sequence[NamedPicture],
    predictor: Predictor,
    files: ResultFiles,
    *,
    people: FindPeople | None = None,
    foreground: Predictor | None = None,
    least_score: float = 0.3,
    progress: Callable[[int], None] = lambda done: None,
) -> PredictionSummary:
    """Write the results of pictures.

    Args:
        pictures: See `find_pictures`; those that cannot be read are left out.
        predictor: Of any task.
        files: Where results go.
        people: Finds the people of pictures; needed for keypoints, and possible for parts, where
            None takes whole pictures.
        foreground: Of segmentation: depth and normals outside of its parts become NaN.
        least_score: Keypoints below it are not drawn, and not seen in COCO's JSON.
        progress: Called with the number of pictures that are done.
    """
    summary = PredictionSummary()
    jobs = _jobs(pictures, people, foreground, summary)
    coco = None
    if predictor.task == "pose":
        coco = CocoPoses(keypoint_vocabulary(predictor.outputs), least_score)

    def noted() -> Iterator[tuple[_Job, NDArray[Any]]]:
        for job, found in _predicted(jobs, predictor, people is not None):
            if coco is not None and job.people is not None:
                coco.add(job.picture.name, job.pixels.shape[:2], job.people, found)
                summary.people += len(found)
            yield job, found

    def write(both: tuple[_Job, NDArray[Any]]) -> None:
        job, found = both
        files.write(job.picture.name, *_result(predictor, job, found, least_score))

    # Compressing what was found takes longer than finding it on a GPU.
    with ThreadPoolExecutor(_THREADS) as pool:
        for _ in prefetch(pool, write, noted(), _BEHIND):
            summary.pictures += 1
            progress(summary.pictures)
    if coco is not None and summary.pictures:
        files.write_json(POSES, coco.content)
    return summary


def _result(
    predictor: Predictor, job: _Job, found: NDArray[Any], least_score: float
) -> tuple[dict[str, NDArray[Any]], Image.Image]:
    """Arrays and picture of what was found."""
    if job.people is not None and predictor.task == "pose":
        points = keypoint_vocabulary(predictor.outputs)
        boxes = job.people.boxes
        arrays = {"keypoints": found, "boxes": boxes, "box_scores": job.people.scores}
        arrays["names"] = np.array(points.names)
        return arrays, poses_picture(job.pixels, found, boxes, points, least_score)
    if predictor.task == "segmentation":
        parts = part_vocabulary(predictor.outputs)
        arrays = {"labels": found, "names": np.array(parts.names)}
        return arrays, parts_picture(job.pixels, found, parts)
    mask = {} if job.mask is None else {"mask": job.mask}
    if predictor.task == "depth":
        return {"depth": found, **mask}, depth_picture(found)
    return {"normals": found, **mask}, normals_picture(found)


def _jobs(
    pictures: Sequence[NamedPicture],
    people: FindPeople | None,
    foreground: Predictor | None,
    summary: PredictionSummary,
) -> Iterator[_Job]:
    """Pictures that can be read, with their people and their foreground."""

    def readable() -> Iterator[tuple[NamedPicture, RGB]]:
        for one in decoded_pictures(pictures):
            if one.pixels is None:
                summary.unreadable.append((one.picture.path, one.reason))
            else:
                yield one.picture, one.pixels

    for together in batched_by_weight(readable(), _WINDOW, _pixels, _PIXELS):
        named, photos = [picture for picture, _ in together], [pixels for _, pixels in together]
        boxes: Sequence[PersonBoxes | None] = [None] * len(named)
        if people is not None:
            boxes = people(named, photos)
        masks: list[NDArray[np.bool_] | None] = [None] * len(named)
        if foreground is not None:
            masks = [label > 0 for label in foreground.parts(photos)]
        summary.whole += sum(b is not None and b.is_whole for b in boxes)
        yield from map(_Job, named, photos, boxes, masks)


def _pixels(picture: tuple[NamedPicture, RGB]) -> int:
    return picture[1].size // 3


def _predicted(
    jobs: Iterator[_Job], predictor: Predictor, in_crops: bool
) -> Iterator[tuple[_Job, NDArray[Any]]]:
    """Each job with its result; inputs of several pictures share the network's batches.

    in_crops: parts are looked for in the boxes of people.
    """
    waiting: deque[_Job] = deque()
    boxes: deque[Any] = deque()
    masks: deque[Any] = deque()

    def photos() -> Iterator[RGB]:
        for job in jobs:
            waiting.append(job)
            boxes.append(None if job.people is None else job.people.boxes)
            masks.append(job.mask)
            yield job.pixels

    found: Iterator[NDArray[Any]]
    if predictor.task == "pose":
        found = predictor.poses(photos(), _drained(boxes))
    elif predictor.task == "segmentation":
        found = predictor.parts(photos(), _drained(boxes) if in_crops else None)
    elif predictor.task == "depth":
        found = predictor.depths(photos(), _drained(masks))
    else:
        found = predictor.normals(photos(), _drained(masks))
    for result in found:
        yield waiting.popleft(), result


def _drained(queue: deque[T]) -> Iterator[T]:
    """What is in a queue, which is filled meanwhile by the photos that each belongs to."""
    while queue:
        yield queue.popleft()
