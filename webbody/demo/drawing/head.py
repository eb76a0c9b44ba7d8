"""The drawn head: skin, ears, face and hair on a 3-D skull that can be turned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from webbody.demo.drawing.canvas import CIRCLE, BodyPart, Canvas, shade
from webbody.demo.drawing.face import Expression, FacePainter
from webbody.demo.drawing.hair import Hair
from webbody.demo.drawing.skull import Skull, hull

_EARS = (
    (1, BodyPart.LEFT_EAR),
    (-1, BodyPart.RIGHT_EAR),
)  # the subject's left is +x in the head's frame


@dataclass
class HeadTruth:
    """Where the head's keypoints are drawn.

    points (7, 2) px: nose, left and right eye, mouth corner, ear. turned_to_viewer (7,) bool: on a
    side of the head that shows (something else may still cover the point). face_box (4,) xyxy px,
    hairline to chin, unclipped.
    """

    points: np.ndarray
    turned_to_viewer: np.ndarray
    face_box: np.ndarray


class Head:
    """One head on a canvas: draw `hair.behind()`, then `draw()`, then `hair.in_front()`."""

    def __init__(self, canvas: Canvas, rng: np.random.Generator, skull: Skull) -> None:
        self.canvas, self.skull, self.person = canvas, skull, skull.identity
        self.face = FacePainter(canvas, skull, Expression.sample(rng))
        self.hair = Hair(canvas, skull, float(rng.uniform(0.85, 1.15)))

    def draw(self, hat: tuple[float, float, float] | None = None) -> HeadTruth:
        """Draw the head, perhaps under a hat of the given colour."""
        ears = {side: self._ear(side) for side, _ in _EARS}
        near = {side: -side * np.sin(self.skull.yaw) > 0.12 for side, _ in _EARS}
        for side, part in _EARS:
            if not near[side]:
                self._draw_ear(ears[side], part)
        self._skin()
        if not self.skull.away:
            self.face.paint()
        for side, part in _EARS:
            if near[side]:
                self._draw_ear(ears[side], part)
        self.hair.on_skull()
        if not self.skull.away:
            self.face.glasses()
        if hat is not None:
            self.hair.hat(np.array(hat))
        return self._truth(ears)

    def _skin(self) -> None:
        """The skull's outline, a little darker towards its edge."""
        heights = np.sin(np.linspace(-np.pi / 2, np.pi / 2, 15))
        heights = np.where(heights > 0, heights * self.person.chin, heights)
        azimuth, y = np.meshgrid(np.linspace(-np.pi, np.pi, 28, endpoint=False), heights)
        outline = hull(self.skull.project(self.skull.around(azimuth.ravel(), y.ravel())))
        skin = self.person.skin
        self.canvas.fill(outline, shade(skin, 0.9), BodyPart.FACE)
        middle = outline.mean(0)
        for size, tone in ((0.95, 0.935), (0.89, 0.97), (0.82, 1.0)):
            self.canvas.fill(middle + (outline - middle) * size, shade(skin, tone))

    def _ear(self, side: int) -> np.ndarray:
        """Outline (24, 3) of an ear: a flat oval that stands off the skull towards its back."""
        person = self.person
        y = np.array([person.eye_y + 0.14])
        root = self.skull.around(np.array([side * np.pi * 0.52]), y)[0]
        back = np.array([side * np.sin(person.ear_flare), 0, -np.cos(person.ear_flare)])
        reach = 0.11 * person.ear_size
        across = (0.75 - CIRCLE[:, :1] * (1 + 0.15 * CIRCLE[:, 1:])) * reach
        outline: np.ndarray = (
            root + across * back + CIRCLE[:, 1:] * np.array([0, 0.19 * person.ear_size, 0])
        )
        return outline

    def _draw_ear(self, ear: np.ndarray, part: BodyPart) -> None:
        outline = self.skull.project(ear)
        self.canvas.fill(outline, shade(self.person.skin, 0.93), part)
        if self.skull.radius >= 14:
            middle = outline.mean(0)
            self.canvas.fill(middle + (outline - middle) * 0.6, shade(self.person.skin, 0.8))

    def _truth(self, ears: dict[int, np.ndarray]) -> HeadTruth:
        person, skull, face = self.person, self.skull, self.face
        gap, width = person.eye_gap, face.mouth_width
        x = np.array([0.0, gap, -gap, width, -width])
        y = np.array([face.tip_y - 0.05, person.eye_y, person.eye_y, face.corner_y, face.corner_y])
        spots = skull.on_face(x, y, np.array([person.nose_tip, 0, 0, 0, 0]))
        lobes = np.stack([ears[1].mean(0), ears[-1].mean(0)])
        points = skull.project(np.concatenate([spots, lobes]))
        turned = [
            not skull.away and skull.faces_viewer(a, b) > 0.08 for a, b in zip(x, y, strict=True)
        ]
        # The nose is drawn on every face that shows; an ear behind the head is covered by it.
        turned = [not skull.away, *turned[1:], True, True]
        azimuth, height = np.meshgrid(
            np.linspace(-1.35, 1.35, 9), np.linspace(-0.52, person.chin, 8)
        )
        mask = skull.project(skull.around(azimuth.ravel(), height.ravel()))
        mask = np.concatenate([mask, points[:5]])
        return HeadTruth(points, np.array(turned), np.concatenate([mask.min(0), mask.max(0)]))
