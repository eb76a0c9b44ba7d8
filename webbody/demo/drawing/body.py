"""A whole drawn figure: a posed 3-D skeleton, dressed, with the head on top."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from webbody.demo.drawing.canvas import CIRCLE, BodyPart, Canvas, Surface, ellipse, shade
from webbody.demo.drawing.clothes import Clothes, draw_pattern
from webbody.demo.drawing.head import Head, HeadTruth
from webbody.demo.drawing.identity import Identity
from webbody.demo.drawing.pose import sample_pose
from webbody.demo.drawing.skull import Skull

# For each keypoint the parts of its own body through which it still counts as seen: an arm hides a
# hip and hair an ear; what lies under cloth or skin of the same part is not told apart.
SEEN_ON: tuple[frozenset[int], ...] = tuple(
    frozenset(int(part) for part in parts)
    for parts in (
        *[{BodyPart.FACE}] * 5,
        {BodyPart.LEFT_EAR}, {BodyPart.RIGHT_EAR},
        {BodyPart.TORSO, BodyPart.LEFT_ARM, BodyPart.NECK},
        {BodyPart.TORSO, BodyPart.RIGHT_ARM, BodyPart.NECK},
        {BodyPart.LEFT_ARM}, {BodyPart.RIGHT_ARM}, {BodyPart.LEFT_ARM}, {BodyPart.RIGHT_ARM},
        {BodyPart.TORSO, BodyPart.LEFT_LEG, BodyPart.SKIRT},
        {BodyPart.TORSO, BodyPart.RIGHT_LEG, BodyPart.SKIRT},
        {BodyPart.LEFT_LEG, BodyPart.SKIRT}, {BodyPart.RIGHT_LEG, BodyPart.SKIRT},
        {BodyPart.LEFT_LEG}, {BodyPart.RIGHT_LEG},
    )
)  # fmt: skip


@dataclass
class Drawn:
    """What was drawn of a figure, whether or not it is hidden or outside the image.

    keypoints (19, 2) px; turned_to_viewer (19,) bool; box (4,) xyxy px, inside the image; yaw: the
    head's, radians.
    """

    keypoints: np.ndarray
    turned_to_viewer: np.ndarray
    head: HeadTruth
    box: np.ndarray
    yaw: float


class Body:
    """One figure on a canvas; the middle of its head at `centre`, its head `head_px` high."""

    def __init__(
        self,
        canvas: Canvas,
        rng: np.random.Generator,
        person: Identity,
        clothes: Clothes,
        centre: np.ndarray,
        head_px: float,
        facing: bool,
        calm: bool = False,
        swing: float | None = None,
    ) -> None:
        self.canvas, self.person, self.clothes = canvas, person, clothes
        self.centre, self.head_px = np.asarray(centre, float), head_px
        turn = float(np.clip(rng.normal(0, 0.3 if calm else 0.38), -1.15, 1.15))
        pitch, roll = np.clip(rng.normal(0, 0.13, 2), -0.35, 0.35)
        back = 0.0 if facing else np.pi
        self.lean = float(rng.normal(0, 0.05))
        self.yaw = (turn + back + np.pi) % (2 * np.pi) - np.pi
        # The body turns less than the head, and a little on its own.
        self.body_yaw = back + 0.4 * turn + float(rng.normal(0, 0.25))
        skull = Skull(person, self.centre, head_px, self.yaw, pitch, roll + self.lean)
        self.head = Head(canvas, rng, skull)
        joints = sample_pose(rng, person, calm, swing)
        placed = self._place(np.stack(list(joints.values())))
        self.joints = dict(zip(joints, placed, strict=True))
        self.hip_y = float(joints["left_hip"][1])
        self.limb_px = 0.195 * person.limbs * head_px

    def _place(self, points: np.ndarray) -> np.ndarray:
        """Points (N, 3) of the body's frame -> x, y px and depth towards the viewer."""
        c, s = np.cos(self.body_yaw), np.sin(self.body_yaw)
        x, y, z = (
            points[:, 0] * c + points[:, 2] * s,
            points[:, 1],
            points[:, 2] * c - points[:, 0] * s,
        )
        return np.concatenate([self._lean(x, y), z[:, None]], 1)

    def _lean(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        c, s = np.cos(self.lean), np.sin(self.lean)
        placed: np.ndarray = (
            np.stack([x * c - y * s, x * s + y * c], 1) * self.head_px + self.centre
        )
        return placed

    def draw(self) -> Drawn:
        """Draw everything from back to front."""
        self.canvas.begin_figure()
        self._ground_shadow()
        depth = {
            side: self.joints[f"{side}_elbow"][2] + self.joints[f"{side}_wrist"][2]
            for side in ("left", "right")
        }
        arms = sorted(depth, key=lambda side: float(depth[side]))
        self.head.hair.behind()
        for side in arms:
            if depth[side] < -0.3:
                self._arm(side)
        for side in sorted(depth, key=lambda side: float(self.joints[f"{side}_knee"][2])):
            self._leg(side)
        self._neck()
        self._torso()
        for side in arms:
            if depth[side] >= -0.3:
                self._arm(side)
        head = self.head.draw(self.clothes.hat)
        self.head.hair.in_front()
        order = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
        names = [f"{side}_{joint}" for joint in order for side in ("left", "right")]
        keypoints = np.concatenate(
            [head.points, np.stack([self.joints[name][:2] for name in names])]
        )
        turned = np.append(head.turned_to_viewer, np.ones(12, bool))
        return Drawn(keypoints, turned, head, self.canvas.figure_box(), self.yaw)

    def _ground_shadow(self) -> None:
        toes = np.stack([self.joints[f"{side}_toe"][:2] for side in ("left", "right")])
        middle = (toes[0] + toes[1]) / 2
        half = abs(toes[0][0] - toes[1][0]) / 2 + 0.55 * self.head_px
        self.canvas.darken(ellipse((middle[0], toes[:, 1].max()), half, 0.16 * self.head_px), 0.7)

    def _limb(
        self,
        joints: tuple[np.ndarray, np.ndarray, np.ndarray],
        radii: tuple[float, float, float],
        colours: tuple[np.ndarray, np.ndarray],
        part: BodyPart,
        surfaces: tuple[Surface, Surface],
    ) -> None:
        """An upper and a lower bar, each lighter along its middle.

        joints and radii: at the trunk, in the middle, at the end. colours, surfaces: of the upper
        and the lower bar.
        """
        root, middle, end = joints
        at_root, at_middle, at_end = radii
        bars = (
            (middle, end, at_middle * 0.97, at_end, colours[1], surfaces[1]),
            (root, middle, at_root, at_middle, colours[0], surfaces[0]),
        )
        for start, stop, first, last, colour, surface in bars:
            self.canvas.limb(start, stop, first, last, shade(colour, 0.9), part, surface)
        light = np.array([-0.12, -0.08]) * at_end
        for start, stop, first, last, colour, _ in bars:
            self.canvas.limb(start + light, stop + light, first * 0.68, last * 0.68, colour, None)

    def _arm(self, side: str) -> None:
        part = BodyPart.LEFT_ARM if side == "left" else BodyPart.RIGHT_ARM
        skin, size, clothes = np.asarray(self.person.skin), self.limb_px, self.clothes
        joints = self._joints(side, "shoulder", "elbow", "wrist")
        along = joints[2] - joints[1]
        angle = float(np.arctan2(along[1], along[0]))
        hand = joints[2] + np.array([np.cos(angle), np.sin(angle)]) * size * 0.55
        palm = ellipse(hand, size * 0.75, size * 0.5, angle)
        self.canvas.fill(palm, shade(skin, 0.95), part, _of(side, "HAND"))
        sleeve = shade(clothes.top, 0.97)
        bars = [
            (sleeve, Surface.UPPER_CLOTHING) if covered else (skin, _of(side, bar))
            for covered, bar in (
                (clothes.sleeves > 0, "UPPER_ARM"),
                (clothes.sleeves == 1, "LOWER_ARM"),
            )
        ]
        (upper, on_upper), (lower, on_lower) = bars
        self._limb(
            joints, (size * 0.9, size * 0.72, size * 0.48), (upper, lower), part,
            (on_upper, on_lower),
        )  # fmt: skip

    def _leg(self, side: str) -> None:
        part = BodyPart.LEFT_LEG if side == "left" else BodyPart.RIGHT_LEG
        size, clothes = self.limb_px, self.clothes
        joints = self._joints(side, "hip", "knee", "ankle")
        heel, toe = joints[2] + np.array([0, size * 0.3]), self.joints[f"{side}_toe"][:2]
        shoe = _of(side, "SHOE")
        self.canvas.limb(heel, toe, size * 0.6, size * 0.42, clothes.shoes, part, shoe)
        tone = 1.0 if side == "left" else 0.94  # tells the legs apart where they cross
        cloth, skin = shade(clothes.bottom, tone), shade(self.person.skin, tone)
        is_bare = clothes.skirt or clothes.trousers < 1
        lower = skin if is_bare else cloth
        on_lower = _of(side, "LOWER_LEG") if is_bare else Surface.LOWER_CLOTHING
        self._limb(
            joints, (size * 1.4, size * 1.04, size * 0.62), (cloth, lower), part,
            (Surface.LOWER_CLOTHING, on_lower),
        )  # fmt: skip

    def _joints(self, side: str, *names: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        first, second, third = (self.joints[f"{side}_{name}"][:2] for name in names)
        return first, second, third

    def _neck(self) -> None:
        size = 0.19 * self.head_px * self.person.limbs**0.5
        top, base = self._place(np.array([[0, 0.25, -0.05], [0, 0.8, -0.02]]))[:, :2]
        self.canvas.limb(top, base, size, size * 1.25, shade(self.person.skin, 0.82), BodyPart.NECK)

    def _torso(self) -> None:
        person, canvas, clothes = self.person, self.canvas, self.clothes
        shoulder, hip, hip_y = person.shoulders, person.hips, self.hip_y
        waist = min(shoulder, hip * 1.25) * (0.86 + 0.35 * person.belly)
        # Slices from the collar to the crotch: height, half width, half depth.
        slices = np.array(
            [
                [0.66, 0.24, 0.2], [0.78, 0.5 * shoulder, 0.25], [0.88, 0.95 * shoulder, 0.28],
                [1.1, 1.04 * shoulder, 0.33], [1.5, 0.96 * shoulder, 0.36],
                [0.3 * 0.95 + 0.7 * hip_y, waist, 0.3 + 0.25 * person.belly],
                [hip_y - 0.1, hip * 1.12, 0.36], [hip_y + 0.18, hip * 1.1, 0.34],
            ]
        )  # fmt: skip
        y = np.linspace(slices[0, 0], slices[-1, 0], 18)
        wide, deep = (np.interp(y, slices[:, 0], slices[:, column]) for column in (1, 2))
        half = np.hypot(wide * np.cos(self.body_yaw), deep * np.sin(self.body_yaw))
        half[1:-1] = half[:-2] * 0.25 + half[1:-1] * 0.5 + half[2:] * 0.25

        def line(share: float) -> np.ndarray:
            """The line (18, 2) px down the torso at a share (-1..1) of its half width."""
            return self._lean(half * share, y)

        left, right = line(-1), line(1)
        if clothes.skirt:
            waistband, hem_half, hem_y = half[-3], half[-1] * 1.5, y[-1] + 1.3 * person.legs
            x = np.array([-waistband, -hem_half, hem_half, waistband])
            skirt = self._lean(x, np.array([y[-3], hem_y, hem_y, y[-3]]))
            canvas.fill(skirt, shade(clothes.bottom, 0.92), BodyPart.SKIRT)
        canvas.fill(np.concatenate([left, right[::-1]]), clothes.top, BodyPart.TORSO)
        canvas.fill(np.concatenate([line(0.7)[2:], right[:1:-1]]), shade(clothes.top, 0.9))
        front = bool(np.cos(self.body_yaw) > 0)
        draw_pattern(canvas, clothes, line, self.head_px, front)
        if front:
            collar = line(0)[0] + CIRCLE * self.head_px * (0.23, 0.17)
            canvas.fill(collar, shade(person.skin, 0.82), surface=Surface.TORSO)


def _of(side: str, name: str) -> Surface:
    """The surface of a side's part."""
    return Surface[f"{side.upper()}_{name}"]
