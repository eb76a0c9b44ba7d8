"""The drawn face: eyes, brows, nose, mouth, beard, skin texture, glasses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from webbody.demo.drawing.canvas import CIRCLE, BodyPart, Canvas, Surface, mix, shade
from webbody.demo.drawing.skull import Skull, hull


@dataclass(frozen=True)
class Expression:
    """What a face does in one picture."""

    smile: float
    mouth_open: float
    eyelids: float
    gaze: float
    glasses: bool

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Expression:
        """A mostly friendly, mostly closed-mouthed look."""
        return cls(
            smile=float(rng.normal(0.025, 0.03)),
            mouth_open=max(0.0, float(rng.normal(0, 0.04))),
            eyelids=0.15 if rng.random() < 0.05 else float(rng.uniform(0.85, 1.12)),
            gaze=float(rng.normal(0, 0.22)),
            glasses=bool(rng.random() < 0.85),
        )


class FacePainter:
    """Paints the features of a face that is turned to the viewer onto its skin.

    `mouth_y`, `mouth_width` and `corner_y` say where the mouth and its corners are (head's frame).
    """

    def __init__(self, canvas: Canvas, skull: Skull, expression: Expression) -> None:
        self.canvas, self.skull, self.expression = canvas, skull, expression
        self.person = person = skull.identity
        self.skin = np.asarray(person.skin)
        self.fine = skull.radius >= 14  # on smaller heads, details would be noise
        self.tip_y = person.eye_y + person.nose_length
        self.mouth_y = self.tip_y + person.mouth_gap
        self.mouth_width = person.mouth_width * (1 + 1.2 * max(0.0, expression.smile))
        self.corner_y = self.mouth_y - person.mouth_curve - expression.smile

    def paint(self) -> None:
        """Everything that hair may cover."""
        if self.fine:
            self._texture()
        self._beard()
        for side in (-1, 1):
            if self.skull.faces_viewer(side * self.person.eye_gap, self.person.eye_y) > 0.08:
                self._eye(side)
                self._brow(side)
        self._mouth()
        self._nose()

    def _patch(
        self,
        x: np.ndarray,
        y: np.ndarray,
        colour: np.ndarray,
        bump: float = 0.0,
        surface: Surface | None = None,
    ) -> None:
        """Paint a small patch, given its outline, unless it is turned away."""
        if self.skull.faces_viewer(float(x.sum()) / len(x), float(y.sum()) / len(y)) > 0.08:
            outline = self.skull.project(self.skull.on_face(x, y, bump))
            self.canvas.fill(outline, colour, surface=surface)

    def _oval(
        self,
        centre: tuple[float, float],
        half: tuple[float, float],
        colour: np.ndarray,
        tilt: float = 0.0,
        bump: float = 0.0,
    ) -> None:
        across, down = CIRCLE[:, 0] * half[0], CIRCLE[:, 1] * half[1]
        c, s = np.cos(tilt), np.sin(tilt)
        x, y = centre[0] + across * c - down * s, centre[1] + across * s + down * c
        self._patch(x, y, colour, bump)

    def _between(
        self,
        x: np.ndarray,
        upper: np.ndarray,
        lower: np.ndarray,
        colour: np.ndarray,
        surface: Surface | None = None,
    ) -> None:
        """Paint the area between two curves over the same x."""
        outline = np.concatenate([x, x[::-1]]), np.concatenate([upper, lower[::-1]])
        self._patch(*outline, colour, surface=surface)

    def _line(self, x: np.ndarray, y: np.ndarray, colour: np.ndarray, width: float) -> None:
        if self.skull.faces_viewer(float(x.mean()), float(y.mean())) > 0.15:
            points = self.skull.project(self.skull.on_face(x, y))
            self.canvas.stroke(points, colour, width * self.skull.radius)

    def _texture(self) -> None:
        """Blush, pigment, freckles, moles and the lines of age."""
        person, skin = self.person, self.skin
        pattern = np.random.default_rng((person.seed, 0xF2))  # the same spots in every picture
        for _ in range(4):
            centre = (pattern.uniform(-0.45, 0.45), pattern.uniform(-0.3, 0.7))
            half = (pattern.uniform(0.06, 0.2), pattern.uniform(0.06, 0.2))
            self._oval(
                centre, half, shade(skin, pattern.uniform(0.93, 1.04)), pattern.uniform(0, 3)
            )
        rosy = mix(skin, skin * 0.9 + (0, 0, 35), 0.15 + 0.45 * person.blush)
        for side in (-1, 1):
            self._oval((side * 0.42, person.eye_y + 0.36), (0.15, 0.11), rosy)
        if person.freckles:
            count = int(70 * person.freckles)
            x = pattern.uniform(-0.58, 0.58, 70)[:count]
            y = person.eye_y + pattern.uniform(0.08, 0.45, 70)[:count]
            shown = np.array(
                [self.skull.faces_viewer(a, b) > 0.1 for a, b in zip(x, y, strict=True)]
            )
            if shown.any():
                at = self.skull.project(self.skull.on_face(x[shown], y[shown]))
                dot = CIRCLE[::4] * max(0.4, 0.013 * self.skull.radius)
                self.canvas.fill_all(list(at[:, None] + dot), skin * (0.62, 0.7, 0.82))
        for _ in range(person.moles):
            centre = (pattern.uniform(-0.5, 0.5), pattern.uniform(-0.3, 0.8))
            size = pattern.uniform(0.014, 0.034)
            self._oval(centre, (size, size), shade(skin, pattern.uniform(0.4, 0.65)))
        if person.age > 0.55:
            self._wrinkles(shade(skin, 1 - 0.45 * (person.age - 0.4)))

    def _wrinkles(self, colour: np.ndarray) -> None:
        person = self.person
        x = np.linspace(-0.3, 0.3, 7)
        for row in range(int(1 + 3 * (person.age - 0.55) / 0.45)):
            self._line(x, person.hairline + 0.16 + 0.09 * row + 0.1 * x**2, colour, 0.022)
        wing, corner = person.nose_width + 0.05, person.mouth_width + 0.06
        bend = np.linspace(0, 1, 6)
        for side in (-1, 1):
            across = side * (wing + (corner - wing) * bend**0.7)
            self._line(across, self.tip_y - 0.03 + bend * person.mouth_gap, colour, 0.025)

    def _beard(self) -> None:
        person = self.person
        if not person.beard:
            return
        azimuth = np.linspace(-1.45, 1.45, 23)
        share = np.clip((np.abs(azimuth) / 1.45 - 0.25) / 0.75, 0, 1) ** 1.3
        top = self.mouth_y + 0.1 - (self.mouth_y - 0.1) * share
        y = top + (person.chin * 0.995 - top) * np.linspace(0, 1, 5)[:, None]
        grid = self.skull.around(np.broadcast_to(azimuth, y.shape), y, 0.015)
        colour = mix(person.skin, person.hair, person.beard)
        self.canvas.fill_all(list(self.skull.cells_in_view(grid)), colour, BodyPart.FACE)

    def _eye(self, side: int) -> None:
        person, skin = self.person, self.skin
        x, y, width = side * person.eye_gap, person.eye_y, person.eye_width
        half, tilt = person.eye_open * self.expression.eyelids, side * person.eye_tilt
        socket = (width * 1.18, person.eye_open * 1.5)
        self._oval((x, y - 0.01), socket, shade(skin, 0.88), tilt)
        if self.fine and person.eye_bags > 0.4:
            self._oval(
                (x, y + 0.1), (width * 0.8, 0.03), shade(skin, 1 - 0.2 * person.eye_bags), tilt
            )
        turn = np.linspace(0, 2 * np.pi, 20, endpoint=False)
        across, down = width * np.cos(turn), half * np.sin(turn) * np.abs(np.sin(turn)) ** 0.25
        c, s = np.cos(tilt), np.sin(tilt)
        lid_x, lid_y = x + across * c - down * s, y + across * s + down * c
        self._patch(lid_x, lid_y, np.array([236.0, 238, 240]))
        look = x + self.expression.gaze * width * 0.45
        iris = min(0.082, person.eye_open * 1.15)
        for size, colour in ((1.0, np.asarray(person.iris)), (0.5, np.array([16.0, 14, 14]))):
            cut = (CIRCLE[:, 1] * iris * size).clip(-half * 0.97, half * 0.97)
            self._patch(look + CIRCLE[:, 0] * iris * size, y + cut, colour)
        if self.fine:
            self._oval((look + 0.025, y - 0.025), (0.014, 0.014), np.array([250.0, 250, 250]))
        self._line(lid_x[10:], lid_y[10:], shade(skin, 0.35), person.lashes)

    def _brow(self, side: int) -> None:
        person = self.person
        along = np.linspace(-1, 1, 9)  # from the nose outwards
        x = side * (person.eye_gap * 1.03 + along * person.brow_width)
        middle = person.eye_y - person.brow_gap + 0.13 * person.brow_tilt * along
        middle = middle - person.brow_arch * (1 - along**2)
        half = person.brow_thick * np.clip(1 - 0.35 * along - 0.4 * along**4, 0.15, None)
        colour = mix(shade(person.hair, 0.75), person.skin, 0.1)
        self._between(x, middle - half, middle + half, colour)

    def _nose(self) -> None:
        person, skull, skin = self.person, self.skull, self.skin
        width, tip_y = person.nose_width, self.tip_y
        x = np.array([0.0, 0.0, -width, width, 0.0])
        y = np.array([person.eye_y, tip_y - 0.05, tip_y - 0.01, tip_y - 0.01, tip_y + 0.035])
        bump = np.array([0.03, person.nose_tip, 0.03, 0.03, 0.07])
        corners = skull.project(skull.on_face(x, y, bump))
        bridge, tip, right, left, base = corners
        if abs(skull.yaw) > 0.35:
            # The nose may stand out of the face's outline.
            self.canvas.fill(hull(corners), shade(skin, 0.97), BodyPart.FACE)
        far, near = (left, right) if skull.yaw >= 0 else (right, left)
        self.canvas.fill(np.stack([bridge, tip, far]), shade(skin, 0.88))
        self.canvas.fill(np.stack([bridge * 0.4 + tip * 0.6, tip, near]), shade(skin, 0.95))
        self.canvas.fill(np.stack([right, tip, left, base]), shade(skin, 0.85))
        for side in (-1, 1):
            nostril = (side * width * 0.5, tip_y + 0.005)
            self._oval(nostril, (0.034, 0.018), shade(skin, 0.45), bump=0.06)
        if self.fine:
            ball = tip * 0.85 + bridge * 0.15
            self.canvas.fill(ball + CIRCLE * skull.radius * 0.028, shade(skin, 1.08))

    def _mouth(self) -> None:
        person = self.person
        along = np.linspace(-1, 1, 11)
        x = along * self.mouth_width
        arch = 1 - along**2
        curve = self.mouth_y - (person.mouth_curve + self.expression.smile) * along**2
        bow = person.upper_lip * arch * (1 - 0.3 * np.exp(-((along / 0.18) ** 2)))
        opening = self.expression.mouth_open * arch
        low = curve + opening
        full = person.lower_lip * (1 - np.abs(along) ** 2.5)
        lips = np.asarray(person.lips)
        if person.moustache:
            top = curve - person.upper_lip - 0.015 - 0.07 * arch**0.5
            hair = mix(person.skin, person.hair, person.moustache * 0.9)
            self._between(x * 1.08, top, curve, hair)
        self._between(x, curve - bow, curve, shade(lips, 0.86), Surface.UPPER_LIP)
        self._between(x * 0.94, low, low + full, lips, Surface.LOWER_LIP)
        if self.expression.mouth_open > 0.02:
            self._between(x * 0.92, curve, low, np.array([40.0, 30, 60]))
            self._between(
                x * 0.75, curve, curve + opening * 0.45, np.array([225.0, 232, 236]),
                Surface.UPPER_TEETH,
            )  # fmt: skip
        else:
            self._line(x, curve, shade(lips, 0.45), 0.025)

    def glasses(self) -> None:
        """The person's glasses, if there are any and they are worn today."""
        person, skull = self.person, self.skull
        if not (person.glasses and self.expression.glasses):
            return
        turn = np.linspace(0, 2 * np.pi, 28, endpoint=False)
        power = 1 / (1 + 2.5 * person.glasses_square)
        size = min(person.glasses_size, person.eye_gap * 0.85)
        across = np.sign(np.cos(turn)) * np.abs(np.cos(turn)) ** power * size
        down = np.sign(np.sin(turn)) * np.abs(np.sin(turn)) ** power * size * 0.85
        width = max(1.0, skull.radius * 0.035)
        colour = np.array(person.glasses_colour)
        for side in (-1, 1):
            if skull.faces_viewer(side * person.eye_gap, person.eye_y) > 0.05:
                x, y = side * person.eye_gap + across, person.eye_y + 0.02 + down
                self.canvas.stroke(
                    skull.project(skull.on_face(x, y, 0.08)), colour, width, closed=True
                )
        x = np.array([-1, 0, 1]) * (person.eye_gap - size)
        bridge = skull.on_face(x, np.full(3, person.eye_y - 0.02), 0.1)
        self.canvas.stroke(skull.project(bridge), colour, width)
