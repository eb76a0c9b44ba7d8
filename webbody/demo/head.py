"""The drawn head: features on a 3-D skull, so that turning it gives true parallax."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from webbody.demo.canvas import CIRCLE, Canvas, Part, mix, shade
from webbody.demo.identity import Identity

NOSE, LEFT_EYE, RIGHT_EYE, LEFT_MOUTH, RIGHT_MOUTH, LEFT_EAR, RIGHT_EAR = range(7)
_SIDES = ((1, Part.LEFT_EAR), (-1, Part.RIGHT_EAR))  # the subject's left is +x in the head's own frame


@dataclass
class HeadTruth:
    """Where the seven head keypoints are drawn.

    points (7, 2) px in keypoint order; turned_to_viewer (7,) bool: on the side of the head that faces the
    viewer (something else may still cover the point); face_box (4,) xyxy px, hairline to chin, unclipped.
    """

    points: np.ndarray
    turned_to_viewer: np.ndarray
    face_box: np.ndarray


class Skull:
    """The head's surface in its own frame (half head heights) and its projection onto the image."""

    def __init__(
        self, identity: Identity, centre: np.ndarray, head_px: float, yaw: float, pitch: float, roll: float
    ) -> None:
        """`yaw` > 0 turns the face to the image's right, `pitch` > 0 down, `roll` > 0 clockwise (radians)."""
        self.identity, self.centre, self.radius, self.yaw = identity, centre, head_px / 2, yaw
        cy, sy, cp, sp, cr, sr = (f(a) for a in (yaw, pitch, roll) for f in (np.cos, np.sin))
        turn = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
        nod = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
        tilt = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
        self.rotation = tilt @ nod @ turn

    @property
    def away(self) -> bool:
        """The face cannot be seen."""
        return bool(np.cos(self.yaw) < 0)

    def project(self, points: np.ndarray) -> np.ndarray:
        """Image positions (N, 2) px of points (N, 3) of the head's frame."""
        return self.centre + self.radius * (points @ self.rotation[:2].T)

    def profile(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Half width, depth of the front and depth of the back at height y."""
        person = self.identity
        up = np.clip(-y, 0, 1)
        down = np.clip(y / person.chin, 0, 1)

        def arc(share: np.ndarray, power: float) -> np.ndarray:
            return np.maximum(1 - share**power, 1e-4) ** (1 / power)

        above = y < 0
        crown = arc(up, person.forehead_power)
        width = person.head_width * np.where(above, crown, arc(down, person.jaw_power))
        width = width * (1 + person.cheek * np.exp(-(((y - 0.2) / 0.25) ** 2)))
        front = person.head_depth * np.where(above, crown, arc(down, 4.0))
        back = person.head_depth * np.where(above, crown, np.maximum(1 - down, 1e-4) ** 0.6)
        return width, front, back

    def around(self, azimuth: np.ndarray, y: np.ndarray, swell: np.ndarray | float = 0.0) -> np.ndarray:
        """Points (N, 3) at an azimuth (0 front, +pi/2 the subject's left) and a height, swollen outwards."""
        width, front, back = self.profile(y)
        forward = np.cos(azimuth)
        depth = np.where(forward > 0, front, back)
        grown = 1 + np.asarray(swell)
        return np.stack([width * np.sin(azimuth) * grown, np.where(y < 0, y * grown, y), depth * forward * grown], -1)

    def on_face(self, x: np.ndarray, y: np.ndarray, bump: np.ndarray | float = 0.0) -> np.ndarray:
        """Points (N, 3) of the face's surface above (x, y), raised by `bump`."""
        x, y = np.broadcast_arrays(np.asarray(x, float), np.asarray(y, float))
        width, front, _ = self.profile(y)
        z = front * np.sqrt(np.maximum(1 - (x / width) ** 2, 0.01)) + bump
        return np.stack([x, y, z], -1)

    def faces_viewer(self, x: float, y: float) -> float:
        """Cosine between the face's normal at (x, y) and the line of sight; hidden below about 0."""
        width, front, _ = (float(v[0]) for v in self.profile(np.array([y])))
        z = front * np.sqrt(max(1 - (x / width) ** 2, 0.01))
        normal = np.array([x / width**2, 0.35 * y, z / front**2])
        return float(self.rotation[2] @ normal / np.linalg.norm(normal))


class Head:
    """Draws one head in three calls, so that the body can be drawn in between."""

    def __init__(self, canvas: Canvas, rng: np.random.Generator, skull: Skull) -> None:
        self.canvas, self.rng, self.skull = canvas, rng, skull
        self.person = skull.identity
        self.smile = rng.normal(0.02, 0.03)
        self.mouth_open = max(0.0, rng.normal(0, 0.04))
        self.eyelids = 0.15 if rng.random() < 0.05 else rng.uniform(0.85, 1.12)
        self.gaze = rng.normal(0, 0.22)
        self.wears_glasses = self.person.glasses and rng.random() < 0.85
        self.hair_volume = self.person.hair_volume * rng.uniform(0.85, 1.15)
        self.fine = skull.radius >= 14  # below, details would be noise

    # -- hair that hangs ------------------------------------------------------------------------------

    def hanging_hair(self) -> None:
        """Long hair below the skull: behind the body of a facing figure, in front of one turned away."""
        person, skull = self.person, self.skull
        if person.bald or person.hair_side < 0.3:
            return
        azimuth = np.linspace(0.5 * np.pi, 1.5 * np.pi, 12)
        top = skull.around(azimuth, np.full(12, -0.2), self.hair_volume)
        low = skull.around(azimuth, np.full(12, 0.1), self.hair_volume * 1.1)
        low[:, 1] = max(person.hair_length, person.hair_side)
        bottom = low * (0.85, 1.0, 0.85) + (0, 0.12, 0)
        outline = _hull(skull.project(np.concatenate([top, low, bottom])))
        self.canvas.fill(outline, shade(person.hair, 0.78), Part.HAIR)
        if self.fine:
            self._strands(top * 0.97, low * 0.97, shade(person.hair, 0.66))

    def _strands(self, top: np.ndarray, low: np.ndarray, colour: np.ndarray) -> None:
        for start, end in zip(self.skull.project(top)[1:-1], self.skull.project(low)[1:-1], strict=True):
            self.canvas.stroke(np.stack([start, end]), colour, self.skull.radius * 0.02)

    # -- the head -------------------------------------------------------------------------------------

    def draw(self, hat: np.ndarray | None = None) -> HeadTruth:
        """Ears, skin, face, hair and perhaps a hat of the given colour."""
        skull = self.skull
        ears = {side: self._ear(side) for side, _ in _SIDES}
        near = {side: -side * np.sin(skull.yaw) > 0.12 for side, _ in _SIDES}
        for side, part in _SIDES:
            if not near[side]:
                self._draw_ear(ears[side], part)
        self._skin()
        if not skull.away:
            self._face()
        for side, part in _SIDES:
            if near[side]:
                self._draw_ear(ears[side], part)
        self._hair()
        if not skull.away and self.wears_glasses:
            self._glasses()
        if hat is not None:
            self._hat(hat)
        return self._truth(ears)

    def _skin(self) -> None:
        azimuth, y = np.meshgrid(
            np.linspace(-np.pi, np.pi, 28, endpoint=False), np.sin(np.linspace(-np.pi / 2, np.pi / 2, 15))
        )
        y = np.where(y > 0, y * self.person.chin, y)
        outline = _hull(self.skull.project(self.skull.around(azimuth.ravel(), y.ravel())))
        skin = self.person.skin
        self.canvas.fill(outline, shade(skin, 0.9), Part.FACE)
        middle = outline.mean(0)
        for size, tone in ((0.95, 0.935), (0.89, 0.97), (0.82, 1.0)):
            self.canvas.fill(middle + (outline - middle) * size, shade(skin, tone))

    def _ear(self, side: int) -> np.ndarray:
        """Outline (24, 3) of an ear: a flat ellipse that stands off the skull towards its back."""
        person = self.person
        y = person.eye_y + 0.14
        root = self.skull.around(np.array([side * np.pi * 0.52]), np.array([y]))[0]
        back = np.array([side * np.sin(person.ear_flare), 0, -np.cos(person.ear_flare)])
        reach = 0.11 * person.ear_size
        across = (CIRCLE[:, :1] * (1 + 0.15 * CIRCLE[:, 1:]) * -1 + 0.75) * reach
        return root + across * back + CIRCLE[:, 1:] * np.array([0, 0.19 * person.ear_size, 0])

    def _draw_ear(self, ear: np.ndarray, part: Part) -> None:
        outline = self.skull.project(ear)
        self.canvas.fill(outline, shade(self.person.skin, 0.93), part)
        if self.fine:
            middle = outline.mean(0)
            self.canvas.fill(middle + (outline - middle) * 0.6, shade(self.person.skin, 0.8))

    # -- hair on the skull ----------------------------------------------------------------------------

    def _hairline(self, azimuth: np.ndarray) -> np.ndarray:
        """Height of the hair's lower edge around the head."""
        person = self.person
        nape = max(0.5, person.hair_side)
        parted = person.hairline + 0.1 * np.abs(azimuth - person.hair_part).clip(0, 1.6)
        aside = np.abs(azimuth)
        side = person.hair_side
        around = np.interp(
            aside,
            [0.8, 1.2, 1.5, 1.75, 2.1, np.pi],
            [person.hairline + 0.12 + 0.6 * person.temples, 0.6 * side - 0.1, side, side - 0.02, 0.9 * nape, nape],
        )
        blend = np.clip((aside - 0.5) / 0.4, 0, 1)
        return parted * (1 - blend) + around * blend

    def _shell(self, low: np.ndarray, high: np.ndarray, azimuth: np.ndarray, swell: float) -> np.ndarray:
        """Grid (rows, N, 3) on the swollen skull between two heights at every azimuth."""
        top, bottom = (np.arccos(np.clip(-edge, -0.999, 0.999)) for edge in (high, low))
        rows = np.linspace(0, 1, 6)[:, None]
        polar = top + (bottom - top) * rows
        wave = self.person.hair_wave * np.sin(azimuth * 11 + polar * 9)
        bulge = swell * (1 - 0.35 * rows**2) + wave
        return self.skull.around(np.broadcast_to(azimuth, polar.shape), -np.cos(polar), bulge)

    def _fill_shell(self, grid: np.ndarray, colour: np.ndarray) -> None:
        """Fill those cells of a grid (rows, N, 3) that face the viewer."""
        flat = self.skull.project(grid.reshape(-1, 3)).reshape(*grid.shape[:2], 2)
        cells = np.stack([flat[:-1, :-1], flat[:-1, 1:], flat[1:, 1:], flat[1:, :-1]], 2).reshape(-1, 4, 2)
        first, second = cells[:, 2] - cells[:, 0], cells[:, 3] - cells[:, 1]
        facing = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0] > 0
        self.canvas.fill_all(list(cells[facing]), colour, Part.HAIR)

    def _hair(self) -> None:
        person = self.person
        azimuth = np.linspace(-np.pi, np.pi, 41)
        low = self._hairline(azimuth)
        high = np.full_like(low, -1.0)
        if person.bald:
            # A wreath of hair: nothing in front and on top.
            high = np.interp(np.abs(azimuth), [0.0, 1.2, 1.6, np.pi], [-0.2, -0.2, -0.45, -0.5])
            low = np.maximum(np.where(np.abs(azimuth) < 1.25, high, low), high)
        grid = self._shell(low, high, azimuth, self.hair_volume * (0.5 if person.bald else 1))
        self._fill_shell(grid, shade(person.hair, 1.0))
        if self.fine and not person.bald:
            flat = self.skull.project(grid.reshape(-1, 3)).reshape(*grid.shape[:2], 2)
            width = self.skull.radius * 0.018
            # Strands run down from the crown; those at the back of the head are not seen.
            normals = np.stack([np.sin(azimuth), 0 * azimuth, np.cos(azimuth)], 1) @ self.skull.rotation[2]
            for column in range(1, 40, 2):
                if normals[column] > 0.1:
                    tone = 1.18 if column % 4 == 1 else 0.82
                    self.canvas.stroke(flat[1:, column], shade(person.hair, tone) + (tone > 1) * 8, width)

    def _hat(self, colour: np.ndarray) -> None:
        azimuth = np.linspace(-np.pi, np.pi, 33)
        low = np.full(33, min(-0.42, self.person.hairline + 0.05))
        swell = max(self.hair_volume, 0.06) + 0.06
        grid = self._shell(low, np.full(33, -1.0), azimuth, swell / 0.8)
        self._fill_shell(grid, colour)
        rim = self.skull.project(grid[-1])
        front = np.abs(azimuth) < 1.3
        if not self.skull.away:
            peak = self.skull.project(grid[-1][front] * (1.05, 1.0, 1.35) + (0, 0.06, 0))
            self.canvas.fill(np.concatenate([rim[front], peak[::-1]]), shade(colour, 0.75), Part.HAIR)

    # -- the face -------------------------------------------------------------------------------------

    def _patch(self, x: np.ndarray, y: np.ndarray, colour: np.ndarray, bump: float = 0.0) -> bool:
        """Paint a small patch of the face, given its outline; False when it is turned away."""
        if self.skull.faces_viewer(float(np.mean(x)), float(np.mean(y))) < 0.08:
            return False
        self.canvas.fill(self.skull.project(self.skull.on_face(x, y, bump)), colour)
        return True

    def _oval(self, x: float, y: float, width: float, height: float, tilt: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
        across, down = CIRCLE[:, 0] * width, CIRCLE[:, 1] * height
        return x + across * np.cos(tilt) - down * np.sin(tilt), y + across * np.sin(tilt) + down * np.cos(tilt)

    def _line(self, x: np.ndarray, y: np.ndarray, colour: np.ndarray, width: float) -> None:
        if self.skull.faces_viewer(float(np.mean(x)), float(np.mean(y))) > 0.15:
            self.canvas.stroke(self.skull.project(self.skull.on_face(x, y)), colour, width * self.skull.radius)

    def _face(self) -> None:
        if self.fine:
            self._texture()
        self._beard()
        for side in (-1, 1):
            self._eye(side)
        self._mouth()
        self._nose()

    def _texture(self) -> None:
        """Blush, freckles, moles and the lines of age."""
        person = self.person
        skin = np.asarray(person.skin)
        rosy = mix(skin, skin * 0.9 + (0, 0, 35), 0.25 + 0.5 * person.blush)
        for side in (-1, 1):
            self._patch(*self._oval(side * 0.42, person.eye_y + 0.36, 0.15, 0.11), rosy)
        pattern = np.random.default_rng((person.seed, 0xF2))  # the same spots in every picture
        if person.freckles:
            spots = np.stack([pattern.uniform(-0.55, 0.55, 60), person.eye_y + pattern.uniform(0.1, 0.42, 60)], 1)
            shown = [s for s in spots[: int(60 * person.freckles)] if self.skull.faces_viewer(s[0], s[1]) > 0.1]
            if shown:
                at = self.skull.project(self.skull.on_face(*np.array(shown).T))
                dot = CIRCLE[::4] * max(0.5, 0.016 * self.skull.radius)
                self.canvas.fill_all(list(at[:, None] + dot), shade(skin, 0.76))
        for _ in range(person.moles):
            x, y = pattern.uniform(-0.5, 0.5), pattern.uniform(-0.3, 0.8)
            size = pattern.uniform(0.018, 0.045)
            self._patch(*self._oval(x, y, size, size), shade(skin, pattern.uniform(0.35, 0.6)))
        if person.age > 0.55:
            fold = shade(skin, 1 - 0.45 * (person.age - 0.4))
            x = np.linspace(-0.3, 0.3, 7)
            for line in range(int(1 + 3 * (person.age - 0.55) / 0.45)):
                self._line(x, person.hairline + 0.16 + 0.09 * line + 0.1 * x**2, fold, 0.022)
            wing, corner = person.nose_width + 0.05, person.mouth_width + 0.06
            bend = np.linspace(0, 1, 6)
            for side in (-1, 1):
                across = side * (wing + (corner - wing) * bend**0.7)
                down = person.eye_y + person.nose_length - 0.03 + bend * person.mouth_gap
                self._line(across, down, fold, 0.025)

    def _beard(self) -> None:
        person = self.person
        if not person.beard:
            return
        colour = mix(person.skin, person.hair, person.beard)
        mouth = person.eye_y + person.nose_length + person.mouth_gap
        azimuth = np.linspace(-1.45, 1.45, 23)
        inner = np.clip(np.abs(azimuth) / 1.45, 0, 1)
        top = mouth + 0.1 - (mouth - 0.1) * np.clip((inner - 0.25) / 0.75, 0, 1) ** 1.3
        rows = np.linspace(0, 1, 5)[:, None]
        y = top + (person.chin * 0.995 - top) * rows
        grid = self.skull.around(np.broadcast_to(azimuth, y.shape), y, 0.015)
        flat = self.skull.project(grid.reshape(-1, 3)).reshape(*y.shape, 2)
        cells = np.stack([flat[:-1, :-1], flat[:-1, 1:], flat[1:, 1:], flat[1:, :-1]], 2).reshape(-1, 4, 2)
        first, second = cells[:, 2] - cells[:, 0], cells[:, 3] - cells[:, 1]
        facing = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0] > 0
        self.canvas.fill_all(list(cells[facing]), colour, Part.FACE)

    def _eye(self, side: int) -> None:
        person = self.person
        x, y, width, open_ = side * person.eye_gap, person.eye_y, person.eye_width, person.eye_open * self.eyelids
        tilt = side * person.eye_tilt
        skin = np.asarray(person.skin)
        if self.skull.faces_viewer(x, y) < 0.08:
            return
        self._patch(*self._oval(x, y - 0.01, width * 1.18, person.eye_open * 1.5, tilt), shade(skin, 0.86))
        if self.fine and person.eye_bags > 0.4:
            self._patch(*self._oval(x, y + 0.1, width * 0.8, 0.03, tilt), shade(skin, 1 - 0.2 * person.eye_bags))
        turn = np.linspace(0, 2 * np.pi, 20, endpoint=False)
        almond = np.stack([width * np.cos(turn), open_ * np.sin(turn) * np.abs(np.sin(turn)) ** 0.25])
        cosine, sine = np.cos(tilt), np.sin(tilt)
        lid_x, lid_y = x + almond[0] * cosine - almond[1] * sine, y + almond[0] * sine + almond[1] * cosine
        self._patch(lid_x, lid_y, np.array([236.0, 238, 240]))
        look = x + self.gaze * width * 0.45
        iris = min(0.082, person.eye_open * 1.15)
        for size, colour in ((1.0, np.asarray(person.iris)), (0.5, np.array([16.0, 14, 14]))):
            down = (CIRCLE[:, 1] * iris * size).clip(-open_ * 0.97, open_ * 0.97)
            self._patch(look + CIRCLE[:, 0] * iris * size, y + down, colour)
        if self.fine:
            self._patch(*self._oval(look + 0.025, y - 0.025, 0.014, 0.014), np.array([250.0, 250, 250]))
        self._line(lid_x[10:], lid_y[10:], shade(skin, 0.35), 0.03)
        self._brow(side)

    def _brow(self, side: int) -> None:
        person = self.person
        along = np.linspace(-1, 1, 9)  # from the nose outwards
        x = side * (person.eye_gap * 1.03 + along * person.brow_width)
        middle = person.eye_y - person.brow_gap - person.brow_arch * (1 - along**2) + 0.13 * person.brow_tilt * along
        half = person.brow_thick * np.clip(1 - 0.35 * along - 0.4 * along**4, 0.15, None)
        outline_x, outline_y = np.concatenate([x, x[::-1]]), np.concatenate([middle - half, (middle + half)[::-1]])
        self._patch(outline_x, outline_y, mix(shade(person.hair, 0.75), person.skin, 0.1))

    def _nose(self) -> None:
        person, skull = self.person, self.skull
        skin = np.asarray(person.skin)
        tip_y = person.eye_y + person.nose_length
        width = person.nose_width
        x = np.array([0.0, 0.0, -width, width, 0.0])
        y = np.array([person.eye_y, tip_y - 0.05, tip_y - 0.01, tip_y - 0.01, tip_y + 0.035])
        bump = np.array([0.03, person.nose_tip, 0.03, 0.03, 0.07])
        bridge, tip, right, left, base = skull.project(skull.on_face(x, y, bump))
        if abs(skull.yaw) > 0.35:
            # The nose may stand out of the face's outline.
            self.canvas.fill(_hull(np.stack([bridge, tip, right, left, base])), shade(skin, 0.97), Part.FACE)
        far, near = (left, right) if skull.yaw >= 0 else (right, left)
        self.canvas.fill(np.stack([bridge, tip, far]), shade(skin, 0.86))
        self.canvas.fill(np.stack([bridge * 0.4 + tip * 0.6, tip, near]), shade(skin, 0.94))
        self.canvas.fill(np.stack([right, tip, left, base]), shade(skin, 0.84))
        for side in (-1, 1):
            self._patch(*self._oval(side * width * 0.5, tip_y + 0.005, 0.034, 0.018), shade(skin, 0.45), 0.06)
        if self.fine:
            ball = tip * 0.85 + bridge * 0.15
            self.canvas.fill(ball + CIRCLE * skull.radius * 0.028, shade(skin, 1.08))

    def _mouth(self) -> None:
        person = self.person
        y = person.eye_y + person.nose_length + person.mouth_gap
        width = person.mouth_width * (1 + 1.2 * max(0.0, self.smile))
        along = np.linspace(-1, 1, 11)
        curve = y - (person.mouth_curve + self.smile) * along**2
        bow = person.upper_lip * (1 - along**2) * (1 - 0.3 * np.exp(-((along / 0.18) ** 2)))
        opening = self.mouth_open * (1 - along**2)
        full = person.lower_lip * (1 - np.abs(along) ** 2.5)
        x = along * width
        lips = np.asarray(person.lips)
        if person.moustache:
            top = curve - person.upper_lip - 0.015 - 0.07 * (1 - along**2) ** 0.5
            colour = mix(person.skin, person.hair, person.moustache * 0.9)
            self._patch(np.concatenate([x, x[::-1]]) * 1.08, np.concatenate([top, curve[::-1]]), colour)
        self._patch(np.concatenate([x, x[::-1]]), np.concatenate([curve - bow, curve[::-1]]), shade(lips, 0.86))
        low = curve + opening
        self._patch(np.concatenate([x, x[::-1]]) * 0.94, np.concatenate([low, (low + full)[::-1]]), lips)
        if self.mouth_open > 0.02:
            self._patch(np.concatenate([x, x[::-1]]) * 0.92, np.concatenate([curve, low[::-1]]), np.array([40.0, 30, 60]))
            self._patch(
                np.concatenate([x, x[::-1]]) * 0.75,
                np.concatenate([curve, (curve + opening * 0.45)[::-1]]),
                np.array([225.0, 232, 236]),
            )
        else:
            self._line(x, curve, shade(lips, 0.45), 0.025)

    def _glasses(self) -> None:
        person, skull = self.person, self.skull
        turn = np.linspace(0, 2 * np.pi, 28, endpoint=False)
        power = 1 / (1 + 2.5 * person.glasses_square)
        size = min(person.glasses_size, person.eye_gap * 0.85)
        across = np.sign(np.cos(turn)) * np.abs(np.cos(turn)) ** power * size
        down = np.sign(np.sin(turn)) * np.abs(np.sin(turn)) ** power * size * 0.85
        width = max(1.0, skull.radius * 0.035)
        for side in (-1, 1):
            if skull.faces_viewer(side * person.eye_gap, person.eye_y) > 0.05:
                rim = skull.on_face(side * person.eye_gap + across, person.eye_y + 0.02 + down, 0.08)
                self.canvas.stroke(skull.project(rim), np.array(person.glasses_colour), width, closed=True)
        inner = person.eye_gap - size
        bridge = skull.on_face(np.array([-inner, 0, inner]), np.full(3, person.eye_y - 0.02), 0.1)
        self.canvas.stroke(skull.project(bridge), np.array(person.glasses_colour), width)

    # -- truth ----------------------------------------------------------------------------------------

    def _truth(self, ears: dict[int, np.ndarray]) -> HeadTruth:
        person, skull = self.person, self.skull
        mouth_y = person.eye_y + person.nose_length + person.mouth_gap
        width = person.mouth_width * (1 + 1.2 * max(0.0, self.smile))
        corner_y = mouth_y - person.mouth_curve - self.smile
        nose_y = person.eye_y + person.nose_length
        gap, eye_y = person.eye_gap, person.eye_y
        x = np.array([0.0, gap, -gap, width, -width])
        y = np.array([nose_y - 0.05, eye_y, eye_y, corner_y, corner_y])
        spots = skull.on_face(x, y, np.array([person.nose_tip, 0, 0, 0, 0]))
        points = skull.project(np.concatenate([spots, ears[1].mean(0)[None], ears[-1].mean(0)[None]]))
        turned = np.array([not skull.away and skull.faces_viewer(a, b) > 0.08 for a, b in zip(x, y, strict=True)])
        turned = np.append(turned, [True, True])  # an ear behind the head is covered in the label map
        azimuth, height = np.meshgrid(np.linspace(-1.35, 1.35, 9), np.linspace(-0.52, person.chin, 8))
        mask = skull.project(skull.around(azimuth.ravel(), height.ravel()))
        mask = np.concatenate([mask, points[:5]])
        return HeadTruth(points, turned, np.concatenate([mask.min(0), mask.max(0)]))


def _hull(points: np.ndarray) -> np.ndarray:
    return cv2.convexHull(points.astype(np.float32))[:, 0]
