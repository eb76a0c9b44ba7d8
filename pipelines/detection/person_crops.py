"""The person of a photo as SapiensID takes it: a white-letterboxed crop and 19 keypoints."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pipelines.detection.detections import select
from pipelines.detection.face_choice import choose
from pipelines.detection.from_settings import face_detector, keypoint_detector, person_detector
from pipelines.detection.subject import Subject
from pipelines.detection.to_sapiensid19 import to_sapiensid19
from pipelines.detection.upper_body import upper_body
from webbody import skeleton
from webbody.config import BuildConfig, WorkerResources
from webbody.geometry import on_letterbox
from webbody.images import RGB, letterbox

#: The landmarks (5, 2) of a face and their score; None where the person has no face.
_Landmarks = tuple[NDArray[np.float32], float] | None


class SubjectFinder:
    """Finds the largest person of each photo with a build's models and thresholds.

    Crop and keypoints equal those of the build's stages. With `whole` each picture is taken as a
    crop of a person, as in benchmarks. size: side of the subject's image in pixels. mirrored:
    keypoints are found in the mirrored crop, too. threads: those of each model.
    """

    def __init__(
        self,
        config: BuildConfig,
        *,
        whole: bool = False,
        size: int = 384,
        mirrored: bool = False,
        threads: int = 1,
    ) -> None:
        self._size, self._min_score, self._mirrored = size, config.keypoints.min_score, mirrored
        self._padding, self._min_side = config.persons.padding, config.persons.min_side

        def use(stage: str) -> WorkerResources:
            return replace(config.resources.worker(stage), threads=threads)

        self._persons = None
        if not whole:
            self._persons = person_detector(config.persons, use("persons"))
        self._keypoints = keypoint_detector(config.keypoints, use("keypoints"))
        # Body models lack the mouth corners, which a face detector then provides.
        self._faces = None
        if self._keypoints.count == 17:
            self._faces = face_detector(config.faces, use("faces"))

    def __call__(self, photos: Sequence[RGB]) -> list[Subject]:
        """The subject of each photo (H, W, 3) uint8 RGB of any size, in their order."""
        found = self._boxes(photos)
        crops, boxes = [], []
        for photo, (box, (left, top, right, bottom)) in zip(photos, found, strict=True):
            crops.append(photo[top:bottom, left:right])
            inside = [0, 0, right - left, bottom - top] if box is None else box - [left, top] * 2
            boxes.append([float(value) for value in inside])
        own = self._marks(crops, boxes)
        other: Sequence[NDArray[np.float32] | None] = [None] * len(crops)
        if self._mirrored:
            widths = [crop.shape[1] for crop in crops]
            turned = [
                [width - x1, y0, width - x0, y1]
                for width, (x0, y0, x1, y1) in zip(widths, boxes, strict=True)
            ]
            other = self._marks([crop[:, ::-1] for crop in crops], turned)
        described = zip(crops, found, own, other, strict=True)
        return [self._subject(crop, box, here, there) for crop, (box, _), here, there in described]

    def _marks(
        self, crops: list[RGB], boxes: Sequence[Sequence[float]]
    ) -> list[NDArray[np.float32]]:
        """The 19 keypoints (19, 3) of each crop, in its pixels."""
        points, scores = self._keypoints(crops, boxes)
        out = []
        for crop, body, certain, face in zip(
            crops, points, scores, self._landmarks(crops, points, scores), strict=True
        ):
            marks, score = face or (None, None)
            height, width = crop.shape[:2]
            out.append(
                to_sapiensid19(body, certain, marks, score, width, height, self._min_score)[0]
            )
        return out

    def _boxes(
        self, photos: Sequence[RGB]
    ) -> list[tuple[NDArray[np.float32] | None, tuple[int, int, int, int]]]:
        """The box of each photo's largest person, and the area to cut out around it."""
        sizes = [(photo.shape[1], photo.shape[0]) for photo in photos]
        if self._persons is None:
            return [(np.array([0, 0, *size], np.float32), (0, 0, *size)) for size in sizes]
        out: list[tuple[NDArray[np.float32] | None, tuple[int, int, int, int]]] = []
        for (width, height), persons in zip(sizes, self._persons(photos), strict=True):
            large = select(persons, width, height, self._padding, self._min_side)
            if large:
                out.append((persons.boxes[large[0][0]], large[0][1]))
            else:
                out.append((None, (0, 0, width, height)))
        return out

    def _landmarks(
        self, crops: list[RGB], points: NDArray[np.float32], scores: NDArray[np.float32]
    ) -> list[_Landmarks]:
        """The face of each crop, for keypoint models without mouth corners."""
        if self._faces is None:
            return [None] * len(crops)
        bodies = np.concatenate([points, scores[..., None]], 2)
        heads, origins, located = [], [], []
        for crop, body in zip(crops, bodies, strict=True):
            area, known = upper_body(body, crop.shape[1], crop.shape[0])
            heads.append(crop[area[1] : area[3], area[0] : area[2]])
            origins.append(np.array(area[:2], np.float32))
            located.append(known)
        detected = self._faces(heads, [not known for known in located])
        out: list[_Landmarks] = []
        for head, origin, body, faces in zip(heads, origins, bodies, detected, strict=True):
            moved = body - np.array([*origin, 0], np.float32)
            chosen = choose(faces, moved, head.shape[1], head.shape[0])
            if chosen is None:
                out.append(None)
            else:
                out.append((faces.landmarks[chosen] + origin, float(faces.scores[chosen])))
        return out

    def _subject(
        self,
        crop: RGB,
        box: NDArray[np.float32] | None,
        keypoints: NDArray[np.float32],
        mirrored: NDArray[np.float32] | None,
    ) -> Subject:
        image, scale, left, top = letterbox(crop, self._size)
        right = self._size - left - max(1, round(crop.shape[1] * scale))
        own = skeleton.clean(on_letterbox(keypoints, scale, left, top, self._size))
        if mirrored is None:
            return Subject(image, own, box)
        turned = on_letterbox(mirrored, scale, right, top, self._size)
        return Subject(image, own, box, skeleton.clean(turned))
