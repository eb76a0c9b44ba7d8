"""Persons, faces and keypoints of sample pictures by a build's models, with all their scores."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from pipelines.base.batches import batched_by_weight
from pipelines.calibration.scores import ScoreSample
from pipelines.detection.detections import select
from pipelines.detection.face_choice import choose
from pipelines.detection.from_settings import (
    face_detector,
    keypoint_detector,
    person_detector,
    trusted_face,
    trusted_person,
)
from pipelines.detection.to_sapiensid19 import to_sapiensid19
from pipelines.detection.upper_body import upper_body
from pipelines.galleries.identity_sources import read_sources
from webbody.config import BuildConfig, WorkerResources
from webbody.demo.drawing.scene import Photo
from webbody.errors import WebbodyError
from webbody.images import RGB

#: Detections below these scores are ignored.
PERSON_FLOOR, FACE_FLOOR = 0.05, 0.1
#: Pictures in memory at the same time.
WINDOW = 16


def score_pictures(
    pictures: Iterable[tuple[RGB, Photo | None]], settings: BuildConfig
) -> list[ScoreSample]:
    """Scores of persons, faces and keypoints in pictures (H, W, 3); drawn ones have ground truth.

    Faces and keypoints are looked for in the persons that the configuration trusts, as a build
    does. Truth counts as in the demo's score (webbody.demo.scoring.score_images).
    """
    return _Sampler(settings)(pictures)


class _Sampler:
    def __init__(self, settings: BuildConfig) -> None:
        def use(stage: str) -> WorkerResources:
            return replace(settings.resources.worker(stage), threads=1)

        self._config = settings.persons
        self._detector = person_detector(settings.persons, use("persons"), PERSON_FLOOR)
        self._faces = face_detector(settings.faces, use("faces"), FACE_FLOOR)
        self._keypoints = keypoint_detector(settings.keypoints, use("keypoints"))
        trusted = trusted_person(settings.persons)
        self.persons = ScoreSample("persons", "persons.confidence", trusted)
        self.faces = ScoreSample("faces", "faces.min_score", trusted_face(settings.faces))
        self.keypoints = ScoreSample(
            "keypoints", "keypoints.min_score", settings.keypoints.min_score
        )

    def __call__(self, pictures: Iterable[tuple[RGB, Photo | None]]) -> list[ScoreSample]:
        for window in batched_by_weight(pictures, WINDOW, lambda _: 0, 0):
            found = self._detector([picture for picture, _ in window])
            for (picture, truth), persons in zip(window, found, strict=True):
                figures = None if truth is None else _match_persons(truth, persons, self.persons)
                if truth is None:
                    self.persons.scores += persons.scores.tolist()
                self._inside(picture, persons, figures)
        return [self.persons, self.faces, self.keypoints]

    def _inside(self, picture: RGB, persons: Any, figures: list[Any] | None) -> None:
        """Faces and keypoints of the persons of a picture that are trusted."""
        height, width = picture.shape[:2]
        config = self._config
        for which, area in select(persons, width, height, config.padding, config.min_side)[
            : config.max_persons
        ]:
            figure = None if figures is None else figures[which]
            if persons.scores[which] < self.persons.now or (figures is not None and not figure):
                continue
            left, top, right, bottom = area
            crop, corner = picture[top:bottom, left:right], np.array([left, top], np.float32)
            face = self._face(crop, persons.keypoints[which], corner, figure)
            box = [float(value) for value in persons.boxes[which] - [left, top] * 2]
            points, scores = self._keypoints([crop], [box])
            marks, score = face or (None, None)
            size = right - left, bottom - top
            found, certain = to_sapiensid19(points[0], scores[0], marks, score, *size, 0.0)
            self._points(found, certain, corner, figure)

    def _face(
        self, crop: RGB, keypoints: Any, corner: np.ndarray, figure: Any
    ) -> tuple[np.ndarray, float] | None:
        body = np.array(keypoints, np.float32)
        body[:, :2] -= corner
        area, located = upper_body(body, crop.shape[1], crop.shape[0])
        head = crop[area[1] : area[3], area[0] : area[2]]
        origin = np.array(area[:2], np.float32)
        faces = self._faces([head], [not located])[0]
        chosen = choose(faces, body - [*origin, 0], head.shape[1], head.shape[0])
        due = figure is not None and _can_be_recognised(figure)
        self.faces.positives += due
        if chosen is None:
            return None
        score = float(faces.scores[chosen])
        if figure is None:
            self.faces.scores.append(score)
        elif due or figure.face is None:
            self.faces.scores.append(score)
            box = faces.boxes[chosen] + np.tile(origin + corner, 2)
            self.faces.right.append(bool(due and _iou(figure.face.box, box) >= 0.5))
        return faces.landmarks[chosen] + origin, score

    def _points(
        self, found: np.ndarray, certain: np.ndarray, corner: np.ndarray, figure: Any
    ) -> None:
        inside = found[:, 2] > 0
        self.keypoints.scores += certain[inside].astype(float).tolist()
        if figure is None:
            return
        x1, y1, x2, y2 = figure.box
        away = np.hypot(*(found[:, :2] + corner - figure.keypoints[:, :2]).T)
        visible = figure.keypoints[:, 2] == 2
        right = visible & (away <= 0.1 * np.sqrt((x2 - x1) * (y2 - y1)))
        self.keypoints.right += right[inside].tolist()
        self.keypoints.positives += int(visible.sum())


def _match_persons(truth: Photo, persons: Any, into: ScoreSample) -> list[Any]:
    """The true figure of each detected person, None for a false positive.

    The scores are added to `into`.
    """
    from webbody.demo.train_models.tally import matches
    from webbody.demo.website.pictures import can_be_found
    from webbody.geometry import overlaps

    boxes = np.array([figure.box for figure in truth.figures], float).reshape(-1, 4)
    due = np.array([can_be_found(figure) for figure in truth.figures], bool)
    into.positives += int(due.sum())
    figures: list[Any] = [None] * len(persons.boxes)
    near = np.asarray((overlaps(boxes[~due], persons.boxes) > 0.2).any(0), bool)
    for figure, which in matches(boxes, persons.boxes.astype(float)):
        figures[which] = truth.figures[figure] if due[figure] else None
    for which, score in enumerate(persons.scores.tolist()):
        if figures[which] is not None or not near[which]:
            into.scores.append(score)
            into.right.append(figures[which] is not None)
    return figures


def _can_be_recognised(figure: Any) -> bool:
    from webbody.demo.website.pictures import can_be_recognised

    return can_be_recognised(figure)


def _iou(one: np.ndarray, two: np.ndarray) -> float:
    from webbody.geometry import overlaps

    return float(overlaps(np.array([one], float), np.array([two], float))[0, 0])


def pictures_of(sources: Sequence[str]) -> Iterator[tuple[RGB, None]]:
    """Pictures of folders and lists as a gallery takes them; their people are ignored."""
    read = read_sources(sources)
    none = True
    for _, rgb in read.decoded():
        none = False
        yield rgb, None
    if none:
        raise WebbodyError(f"None of the {len(read.pictures)} pictures of --sample can be read.")


def drawn_scenes(count: int = 120, seed: int = 0) -> Iterator[tuple[RGB, Photo]]:
    """Scenes of the synthetic web on which no demo model was trained, with ground truth."""
    from webbody.demo.drawing.scene import crowd

    for number in range(count):
        taken = crowd(np.random.default_rng((seed, 9_000_000, number)))
        yield np.ascontiguousarray(taken.image[..., ::-1]), taken
