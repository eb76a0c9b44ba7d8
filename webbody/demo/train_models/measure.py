"""Held-out figures of the demo's detectors, through the libraries that the pipeline uses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from webbody.config import KeypointsSettings
from webbody.demo.drawing.scene import DrawnPerson, Face
from webbody.demo.train_models.dataset import held_out_photo, is_person, photo_rng, upper_body
from webbody.demo.train_models.engines import Detector, insightface, rtmpose, yolo
from webbody.demo.train_models.tally import DetectionTally, matches
from webbody.skeleton import UPPER

WORLDS = ("default", "stress")
PHOTOS = 200  # a world


def persons(path: Path, world: str, photos: int = PHOTOS) -> dict[str, Any]:
    """Recall and precision of YOLO's boxes on a world's photos."""
    predict = yolo(path)
    tally = DetectionTally()
    for index in range(photos):
        photo = held_out_photo(world, index)
        found, _ = predict(photo.image)
        required = np.array([is_person(figure) for figure in photo.figures], bool)
        tally.add(boxes_of(photo.figures), required, found)
    return tally.figures()


def faces(path: Path, world: str, photos: int = PHOTOS) -> dict[str, Any]:
    """Recall, precision and landmark error of faces, searched in each person's upper body.

    The landmark error is the mean distance in units of the square root of the face box's area.
    """
    detect = insightface(path)
    tally = DetectionTally()
    errors: list[float] = []
    for index in range(photos):
        photo = held_out_photo(world, index)
        rng = photo_rng(f"upper bodies {world}", "held-out", index)
        height, width = photo.image.shape[:2]
        faces = [figure.face for figure in photo.figures if figure.face is not None]
        truth = np.array([face.box for face in faces]).reshape(-1, 4)
        for figure in filter(is_person, photo.figures):
            box = upper_body(rng, figure, (width, height))
            if (box[2:] - box[:2]).min() < 24:
                continue
            found, landmarks = _detect_in(photo.image, box, detect)
            required = np.array([face is figure.face and is_searched(face) for face in faces], bool)
            for number, match in tally.add(truth, required, found):
                side = np.sqrt(np.prod(truth[number, 2:] - truth[number, :2]))
                away = np.linalg.norm(landmarks[match] - faces[number].landmarks, axis=1)
                errors.append(float(away.mean() / side))
    return {**tally.figures(), "landmark_error": round(float(np.mean(errors or [np.nan])), 4)}


def keypoints(
    path: Path, world: str, photos: int = PHOTOS, detector: Path | None = None
) -> dict[str, Any]:
    """PCK: the share of points closer to the truth than 0.1 (0.05) of the box's side.

    The side is the square root of the box's area. The boxes are the true ones, or those of the
    person detector in the file `detector`. Precision and recall are of "visible", which is what a
    confidence of `keypoints.min_score` or more says.
    """
    estimate = rtmpose(path)
    predict = yolo(detector) if detector else None
    visible: list[np.ndarray] = []
    hidden: list[np.ndarray] = []
    called: list[np.ndarray] = []  # of all points: called visible, visible in truth
    for index in range(photos):
        photo = held_out_photo(world, index)
        figures = [figure for figure in photo.figures if is_person(figure)]
        boxes = boxes_of(figures)
        if predict:
            found, _ = predict(photo.image)
            pairs = matches(boxes, found)
            figures = [figures[number] for number, _ in pairs]
            boxes = found[[match for _, match in pairs]].reshape(-1, 4)
        for figure, points in zip(figures, estimate(photo.image, boxes), strict=True):
            side = np.sqrt(np.prod(figure.box[2:] - figure.box[:2]))
            away = np.linalg.norm(points[:, :2] - figure.keypoints[:, :2], axis=1) / side
            visible.append(away[figure.keypoints[:, 2] == 2])
            hidden.append(away[figure.keypoints[:, 2] == 1])
            inside = (points[:, :2] >= 0).all(1) & (points[:, :2] < photo.image.shape[1::-1]).all(1)
            certain = inside & (points[:, 2] >= KeypointsSettings().min_score)
            called.append(np.stack([certain, figure.keypoints[:, 2] == 2], 1))
    seen, unseen = np.concatenate(visible), np.concatenate(hidden)
    marked, true = np.concatenate(called).T
    return {
        "pck@0.1": _share(seen < 0.1),
        "pck@0.05": _share(seen < 0.05),
        "hidden_pck@0.1": _share(unseen < 0.1),
        "visible_precision": _share(true[marked]),
        "visible_recall": _share(marked[true]),
        "points": len(seen),
    }


def chain(pack: Path, world: str, photos: int = PHOTOS) -> dict[str, Any]:
    """The models after one another: faces found in what YOLO found, keypoints in YOLO's boxes."""
    predict, detect = yolo(pack / "persons.pt"), insightface(pack / "faces.onnx")
    tally = DetectionTally()
    for index in range(photos):
        photo = held_out_photo(world, index)
        people = [head_and_shoulders(*person) for person in zip(*predict(photo.image), strict=True)]
        found = [_detect_in(photo.image, box, detect)[0] for box in people]
        faces = [figure.face for figure in photo.figures if figure.face is not None]
        truth = np.array([face.box for face in faces]).reshape(-1, 4)
        required = np.array([is_searched(face) for face in faces], bool)
        tally.add(truth, required, np.concatenate([*found, np.zeros((0, 4))]))
    points = keypoints(pack / "keypoints.onnx", world, photos, pack / "persons.pt")
    return {"face_recall": tally.figures()["recall"], "keypoint_pck@0.1": points["pck@0.1"]}


def head_and_shoulders(box: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The part of a person's box (4,) int xyxy px where the face is searched.

    points: (19, 3), x, y and confidence, as YOLO found them; without a head, the whole box.
    """
    head = points[list(UPPER)]
    head = head[head[:, 2] >= 0.5, :2]
    if len(head) >= 2:
        low, high = head.min(0), head.max(0)
        width, height = np.maximum(high - low, 8)
        wide = [low[0] - 0.375 * width, low[1] - 1.5 * height, high[0] + 0.375 * width, high[1]]
        wide[3] += 0.25 * height
        padding = 0.05 * np.tile(box[2:] - box[:2], 2) * (-1, -1, 1, 1)
        outer = box + padding
        box = np.concatenate([np.maximum(wide[:2], outer[:2]), np.minimum(wide[2:], outer[2:])])
    return np.maximum(np.round(box), 0).astype(int)


def _detect_in(
    image: np.ndarray, box: np.ndarray, detect: Detector
) -> tuple[np.ndarray, np.ndarray]:
    """Faces inside `box` (4,) int xyxy px, in the image's coordinates."""
    x1, y1, x2, y2 = box
    part = image[y1:y2, x1:x2]
    if min(part.shape[:2]) < 8:
        return np.zeros((0, 4)), np.zeros((0, 5, 2))
    found, landmarks = detect(part)
    return found + np.array([x1, y1, x1, y1]), landmarks + np.array([x1, y1])


def is_searched(face: Face) -> bool:
    """Whether a face should be found: half of it visible, 20 px or more."""
    return bool(face.visible >= 0.5 and (face.box[2:] - face.box[:2]).max() >= 20)


def boxes_of(figures: list[DrawnPerson]) -> np.ndarray:
    """The figures' boxes (F, 4)."""
    return np.array([figure.box for figure in figures]).reshape(-1, 4)


def _share(hits: np.ndarray) -> float:
    return round(float(hits.mean()), 4)
