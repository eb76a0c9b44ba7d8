"""Scoring pictures: persons, faces and keypoints that a build found, against the drawn figures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from webbody.demo.scoring.built import Crop
from webbody.demo.train_models.tally import matches
from webbody.demo.website.pictures import FACE_SIDE, FACE_VISIBLE, FIGURE_SIDE, FIGURE_VISIBLE
from webbody.geometry import overlaps

_PCK = 0.1  # of the square root of the true box's area
_NEAR_TRUTH = (
    0.2  # IoU with a figure that need not be found, above which a detection is no invention
)


@dataclass(eq=False)
class Match:
    """A truth row, its detected persons, and for each of these its figure's index (or None).

    figures: by the person's box, at most one crop each. shown: by the box or, where it fits
    nobody's, by the face in it: whom the crop shows, however loose its box.
    """

    truth: dict[str, Any]
    crops: list[Crop]
    figures: list[int | None]
    shown: list[int | None]

    def figure(self, index: int) -> dict[str, Any] | None:
        found = self.figures[index]
        return None if found is None else self.truth["figures"][found]

    def kept(self) -> list[tuple[Crop, dict[str, Any] | None]]:
        """Kept crops with the figures they show."""
        return [
            (crop, None if shown is None else self.truth["figures"][shown])
            for crop, shown in zip(self.crops, self.shown, strict=True)
            if crop.person is not None
        ]


def share(right: int, of: int) -> dict[str, Any]:
    """A share with its numerator and denominator."""
    return {"value": round(right / of, 4) if of else None, "right": int(right), "of": int(of)}


def match_photo(truth: dict[str, Any], crops: list[Crop]) -> Match:
    """One-to-one by descending IoU of detected and true boxes, 0.5 at least; then so by faces."""
    figures: list[int | None] = [None] * len(crops)
    for figure, crop in matches(_boxes(truth), _stack([crop.box for crop in crops])):
        figures[crop] = figure
    shown = list(figures)
    faced = [i for i, figure in enumerate(truth["figures"]) if figure["face_box"] is not None]
    true_faces = _stack([np.array(truth["figures"][i]["face_box"], float) for i in faced])
    loose = {i: crop.face for i, crop in enumerate(crops) if figures[i] is None}
    found = {i: face for i, face in loose.items() if face is not None}
    for figure, crop in matches(true_faces, _stack(list(found.values()))):
        shown[list(found)[crop]] = faced[figure]
    return Match(truth, crops, figures, shown)


def persons(seen: list[Match]) -> dict[str, Any]:
    """Person boxes in all photos that were decoded.

    Recall is over figures that fill at least a quarter of their box with visible pixels and whose
    box has 32 px on its shorter side. For precision, detections of lesser figures do not count.
    """
    found = expected = good = made = 0
    for match in seen:
        boxes = _boxes(match.truth)
        sides = boxes[:, 2:] - boxes[:, :2]
        visible = np.array([figure["visible"] for figure in match.truth["figures"]])
        large = sides.min(axis=1, initial=np.inf) >= FIGURE_SIDE
        due = np.asarray(large & (visible >= FIGURE_VISIBLE), bool)
        hit = {figure for figure in match.figures if figure is not None}
        expected += int(due.sum())
        found += sum(bool(due[figure]) for figure in hit)
        lesser = overlaps(boxes[~due], _stack([crop.box for crop in match.crops]))
        near = set(np.flatnonzero((lesser > _NEAR_TRUTH).any(axis=0)))
        for index, figure in enumerate(match.figures):
            if figure is not None and due[figure]:
                good, made = good + 1, made + 1
            elif figure is None and index not in near:
                made += 1
    return {"person_recall": share(found, expected), "person_precision": share(good, made)}


def faces(seen: list[Match]) -> dict[str, Any]:
    """Faces of detected persons: 20 px or more on the longer side of the box, half visible or more.

    Found means: the faces stage trusted a face in that person's crop whose box has IoU >= 0.5 with
    the true one.
    """
    found = expected = 0
    for match in seen:
        for index, crop in enumerate(match.crops):
            figure = match.figure(index)
            if figure is None or figure["face_box"] is None:
                continue
            box = np.array(figure["face_box"])
            if (box[2:] - box[:2]).max() < FACE_SIDE or figure["face_visible"] < FACE_VISIBLE:
                continue
            expected += 1
            found += crop.face is not None and len(matches(box[None], crop.face[None]))
    return share(found, expected)


def keypoints(matched: Iterable[Match]) -> dict[str, Any]:
    """Visible points of kept crops that are within 0.1 x sqrt(area of the true box).

    A point that the build left out is missed.
    """
    right = of = 0
    for match in matched:
        for crop, figure in match.kept():
            if figure is None or crop.keypoints is None:
                continue
            truth = np.array(figure["keypoints"]).reshape(-1, 3)
            x1, y1, x2, y2 = figure["box"]
            away = np.hypot(*(crop.keypoints[:, :2] - truth[:, :2]).T)
            hit = (away <= _PCK * np.sqrt((x2 - x1) * (y2 - y1))) & (crop.keypoints[:, 2] > 0)
            visible = truth[:, 2] == 2
            right, of = right + int(hit[visible].sum()), of + int(visible.sum())
    return share(right, of)


def _boxes(truth: dict[str, Any]) -> np.ndarray:
    return _stack([np.array(figure["box"], float) for figure in truth["figures"]])


def _stack(boxes: list[np.ndarray]) -> np.ndarray:
    return np.array(boxes, float).reshape(-1, 4)
