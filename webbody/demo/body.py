"""A whole drawn figure: a posed 3-D skeleton, dressed, with the head on top."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from webbody.demo.canvas import CIRCLE, Canvas, Part, shade
from webbody.demo.head import Head, HeadTruth, Skull
from webbody.demo.identity import Identity

# Parts of its own body through which a keypoint still counts as seen. Finer self occlusion (a hand in
# front of the hip is known, a fold of cloth is not) is not told apart.
_SEEN_ON = (
    *[{Part.FACE}] * 5,
    {Part.LEFT_EAR}, {Part.RIGHT_EAR},
    {Part.TORSO, Part.LEFT_ARM, Part.NECK}, {Part.TORSO, Part.RIGHT_ARM, Part.NECK},
    {Part.LEFT_ARM}, {Part.RIGHT_ARM}, {Part.LEFT_ARM}, {Part.RIGHT_ARM},
    {Part.TORSO, Part.LEFT_LEG, Part.SKIRT}, {Part.TORSO, Part.RIGHT_LEG, Part.SKIRT},
    {Part.LEFT_LEG, Part.SKIRT}, {Part.RIGHT_LEG, Part.SKIRT}, {Part.LEFT_LEG}, {Part.RIGHT_LEG},
)  # fmt: skip
SEEN_ON = tuple(frozenset(int(part) for part in parts) for parts in _SEEN_ON)


@dataclass(frozen=True)
class Clothes:
    """What somebody wears in one picture; colours BGR, lengths 0 (none) to 1 (full)."""

    top: tuple[float, float, float]
    bottom: tuple[float, float, float]
    shoes: tuple[float, float, float]
    trim: tuple[float, float, float]
    sleeves: float
    trousers: float
    skirt: bool
    pattern: int  # 0 plain, 1 stripes across, 2 open jacket, 3 print on the chest, 4 stripes down
    hat: tuple[float, float, float] | None

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Clothes:
        """Random clothes."""

        def colour(low: float = 20, high: float = 235) -> tuple[float, float, float]:
            grey = rng.uniform(low, high)
            blue, green, red = grey + (rng.uniform(low, high, 3) - grey) * rng.uniform(0.2, 1)
            return float(blue), float(green), float(red)

        return cls(
            top=colour(),
            bottom=colour(15, 190),
            shoes=colour(10, 200),
            trim=colour(),
            sleeves=float(rng.choice([0.0, 0.5, 1.0], p=[0.1, 0.35, 0.55])),
            trousers=float(rng.choice([0.4, 1.0], p=[0.25, 0.75])),
            skirt=bool(rng.random() < 0.18),
            pattern=int(rng.choice(5, p=[0.4, 0.2, 0.15, 0.15, 0.1])),
            hat=colour() if rng.random() < 0.06 else None,
        )


@dataclass
class Drawn:
    """A figure's drawing: keypoints (19, 2) px, turned_to_viewer (19,), head, extent (4,) xyxy unclipped."""

    keypoints: np.ndarray
    turned_to_viewer: np.ndarray
    head: HeadTruth
    extent: np.ndarray
    yaw: float


def _direction(abduct: float, flex: float, side: int) -> np.ndarray:
    """Unit vector of a limb that hangs down, lifted sideways by `abduct` and forwards by `flex` radians."""
    return np.array([side * np.sin(abduct), np.cos(abduct) * np.cos(flex), np.cos(abduct) * np.sin(flex)])


def _pose(rng: np.random.Generator, person: Identity, calm: bool) -> dict[str, np.ndarray]:
    """Joints (3,) in the body's frame: head heights, origin in the head's middle, y down, z forwards."""
    uniform = rng.uniform
    neck = 0.95
    hip_y = neck + 0.335 * (person.tall - 1.0)
    leg = (person.tall - 0.62 - hip_y) * person.legs
    arm = 0.43 * leg + 0.55
    joints: dict[str, np.ndarray] = {}
    sits = not calm and rng.random() < 0.08
    stride = uniform(0.15, 0.5) if rng.random() < 0.35 else uniform(0, 0.1)
    for name, side in (("left", 1), ("right", -1)):
        shoulder = np.array([side * person.shoulders, neck, 0.0])
        habit = rng.random()
        abduct, flex = uniform(0.08, 0.4), rng.normal(0, 0.3) - side * stride * 0.6
        fore = (abduct * 0.5, flex + uniform(0.05, 0.6))
        if habit < 0.12 and not calm:  # raised
            abduct, flex = uniform(1.5, 2.6), uniform(-0.2, 0.4)
            fore = (abduct + uniform(-0.4, 1.0), flex)
        elif habit < 0.27:  # hand on the hip
            abduct, flex = uniform(0.6, 0.9), uniform(-0.3, 0.0)
            fore = (-uniform(0.5, 0.9), uniform(0.0, 0.4))
        elif habit < 0.45:  # forearm lifted in front
            fore = (uniform(-0.6, 0.3), flex + uniform(0.9, 2.0))
        elbow = shoulder + _direction(abduct, flex, side) * arm * 0.52
        joints |= {f"{name}_shoulder": shoulder, f"{name}_elbow": elbow}
        joints[f"{name}_wrist"] = elbow + _direction(*fore, side) * arm * 0.48
        hip = np.array([side * person.hips * 0.72, hip_y, 0.0])
        if sits:
            abduct, flex, bend = uniform(0.05, 0.4), uniform(1.0, 1.4), uniform(1.0, 1.5)
        else:
            abduct, flex = uniform(0.0, 0.13), side * stride + rng.normal(0, 0.05)
            bend = uniform(0, 0.12) + (uniform(0, 0.7) if side * stride < 0 else 0)
        knee = hip + _direction(abduct, flex, side) * leg * 0.5
        ankle = knee + _direction(abduct * 0.6, flex - bend, side) * leg * 0.5
        joints |= {f"{name}_hip": hip, f"{name}_knee": knee, f"{name}_ankle": ankle}
        joints[f"{name}_toe"] = ankle + np.array([side * 0.08, 0.17, 0.32])
    return joints


class Body:
    """One figure on a canvas; `draw` does it."""

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
    ) -> None:
        self.canvas, self.rng, self.person, self.clothes = canvas, rng, person, clothes
        self.centre, self.head_px = np.asarray(centre, float), head_px
        yaw = float(np.clip(rng.normal(0, 0.3 if calm else 0.38), -1.15, 1.15)) + (0.0 if facing else np.pi)
        pitch, roll = np.clip(rng.normal(0, 0.13, 2), -0.35, 0.35)
        self.lean = float(rng.normal(0, 0.05))
        self.yaw = (yaw + np.pi) % (2 * np.pi) - np.pi
        # The body turns less than the head, and a little on its own.
        self.body_yaw = yaw - 0.6 * np.sin(yaw) * np.sign(np.cos(yaw)) + float(rng.normal(0, 0.25))
        self.head = Head(canvas, rng, Skull(person, self.centre, head_px, self.yaw, pitch, roll + self.lean))
        self.joints = _pose(rng, person, calm)
        self.limb_px = 0.2 * person.limbs * head_px

    def _turn(self, points: np.ndarray) -> np.ndarray:
        """Points (N, 3) of the body's frame -> image x, y (px) and depth towards the viewer."""
        c, s = np.cos(self.body_yaw), np.sin(self.body_yaw)
        x, y, z = points[:, 0] * c + points[:, 2] * s, points[:, 1], points[:, 2] * c - points[:, 0] * s
        c, s = np.cos(self.lean), np.sin(self.lean)
        flat = np.stack([x * c - y * s, x * s + y * c], 1) * self.head_px + self.centre
        return np.concatenate([flat, z[:, None]], 1)

    def draw(self) -> Drawn:
        """Draw everything from back to front."""
        names = list(self.joints)
        placed = dict(zip(names, self._turn(np.stack([self.joints[name] for name in names])), strict=True))
        self.canvas.begin_figure()
        away = bool(np.cos(self.yaw) < 0)
        if not away:
            self.head.hanging_hair()
        arms = sorted(("left", "right"), key=lambda side: float(np.mean(placed[f"{side}_elbow"][2] + placed[f"{side}_wrist"][2])))
        behind = [side for side in arms if placed[f"{side}_elbow"][2] + placed[f"{side}_wrist"][2] < -0.3]
        for side in behind:
            self._arm(placed, side)
        for side in sorted(("left", "right"), key=lambda side: float(placed[f"{side}_knee"][2])):
            self._leg(placed, side)
        self._neck()
        self._torso()
        for side in arms:
            if side not in behind:
                self._arm(placed, side)
        truth = self.head.draw(None if self.clothes.hat is None else np.array(self.clothes.hat))
        if away:
            self.head.hanging_hair()
        order = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
        joints = np.stack([placed[f"{side}_{joint}"][:2] for joint in order for side in ("left", "right")])
        keypoints = np.concatenate([truth.points, joints])
        turned = np.append(truth.turned_to_viewer, np.ones(12, bool))
        return Drawn(keypoints, turned, truth, self.canvas.extent.copy(), self.yaw)

    def _arm(self, placed: dict[str, np.ndarray], side: str) -> None:
        part = Part.LEFT_ARM if side == "left" else Part.RIGHT_ARM
        shoulder, elbow, wrist = (placed[f"{side}_{joint}"][:2] for joint in ("shoulder", "elbow", "wrist"))
        skin, size, clothes = self.person.skin, self.limb_px, self.clothes
        along = wrist - elbow
        hand = wrist + along / (np.hypot(*along) + 1e-6) * size * 0.5
        self.canvas.fill(hand + CIRCLE[::2] * size * 0.6, shade(skin, 0.97), part)
        sleeve = shade(clothes.top, 0.9)
        lower = sleeve if clothes.sleeves == 1 else shade(skin, 0.93)
        self.canvas.limb(elbow, wrist, size * 0.72, size * 0.5, lower, part)
        upper = sleeve if clothes.sleeves > 0 else shade(skin, 0.95)
        self.canvas.limb(shoulder, elbow, size * 0.95, size * 0.74, upper, part)

    def _leg(self, placed: dict[str, np.ndarray], side: str) -> None:
        part = Part.LEFT_LEG if side == "left" else Part.RIGHT_LEG
        hip, knee, ankle, toe = (placed[f"{side}_{joint}"][:2] for joint in ("hip", "knee", "ankle", "toe"))
        if hip[1] - 3 * self.head_px > self.canvas.image.shape[0]:
            return
        skin, size, clothes = self.person.skin, self.limb_px, self.clothes
        tone = 0.97 if side == "left" else 0.88
        self.canvas.limb(ankle + (0, size * 0.3), toe, size * 0.6, size * 0.42, clothes.shoes, part)
        trousers = shade(clothes.bottom, tone)
        lower = trousers if clothes.trousers == 1 and not clothes.skirt else shade(skin, tone)
        self.canvas.limb(knee, ankle, size * 1.0, size * 0.62, lower, part)
        self.canvas.limb(hip, knee, size * 1.4, size * 1.04, trousers, part)

    def _neck(self) -> None:
        size = 0.25 * self.head_px * self.person.limbs**0.4
        top, base = self._turn(np.array([[0, 0.25, -0.05], [0, 0.86, -0.02]]))[:, :2]
        self.canvas.limb(top, base, size, size * 1.12, shade(self.person.skin, 0.82), Part.NECK)

    def _torso(self) -> None:
        person, canvas, clothes = self.person, self.canvas, self.clothes
        hip_y = float(self.joints["left_hip"][1])
        shoulder, hip = person.shoulders, person.hips
        waist = min(shoulder, hip) * (0.9 + 0.35 * person.belly)
        # half width, half depth, height of slices from the collar to the crotch
        slices = np.array(
            [
                [0.27, 0.2, 0.74], [shoulder * 0.72, 0.26, 0.82], [shoulder * 1.06, 0.3, 0.95],
                [shoulder * 1.0, 0.36, 1.25], [waist, 0.3 + 0.25 * person.belly, 0.3 * 0.95 + 0.7 * hip_y],
                [hip * 1.12, 0.36, hip_y - 0.1], [hip * 1.12, 0.34, hip_y + 0.18],
            ]
        )  # fmt: skip
        half = np.hypot(slices[:, 0] * np.cos(self.body_yaw), slices[:, 1] * np.sin(self.body_yaw))

        def across(share: float) -> np.ndarray:
            """The line down the torso at a share (-1..1) of its half width."""
            c, s = np.cos(self.lean), np.sin(self.lean)
            x, y = half * share, slices[:, 2]
            return np.stack([x * c - y * s, x * s + y * c], 1) * self.head_px + self.centre

        left, right = across(-1), across(1)
        if clothes.skirt:
            flare, length = 1.5, 1.3 * person.legs
            hem = [left[-1] + (left[-1] - right[-1]) * (flare - 1) / 2 + (0, length * self.head_px)]
            hem.append(right[-1] + (right[-1] - left[-1]) * (flare - 1) / 2 + (0, length * self.head_px))
            canvas.fill(np.stack([left[-2], *hem, right[-2]]), shade(clothes.bottom, 0.9), Part.SKIRT)
        canvas.fill(np.concatenate([left, right[::-1]]), clothes.top, Part.TORSO)
        self._pattern(across, left, right)
        if clothes.pattern != 2 and np.cos(self.body_yaw) > 0:
            collar = across(0)[0] + CIRCLE[:13] * self.head_px * (0.25, 0.16)
            canvas.fill(collar, shade(person.skin, 0.86))

    def _pattern(self, across, left: np.ndarray, right: np.ndarray) -> None:  # type: ignore[no-untyped-def]
        canvas, clothes = self.canvas, self.clothes
        shadow = np.concatenate([across(0.72)[1:], right[:0:-1]])
        canvas.fill(shadow, shade(clothes.top, 0.88))
        if clothes.pattern == 1:
            for row in np.arange(0.1, 0.95, 0.17):
                edges = [_along(line, place) for place in (row, row + 0.08) for line in (left, right)]
                canvas.fill(np.stack([edges[0], edges[1], edges[3], edges[2]]), clothes.trim)
        elif clothes.pattern == 2 and np.cos(self.body_yaw) > 0:
            canvas.fill(np.concatenate([across(-0.28), across(0.28)[::-1]]), clothes.trim)
        elif clothes.pattern == 3:
            corners = [_along(across(share), row) for share, row in ((-0.5, 0.3), (0.5, 0.3), (0.5, 0.6), (-0.5, 0.6))]
            canvas.fill(np.stack(corners), clothes.trim)
        elif clothes.pattern == 4:
            for share in (-0.75, -0.25, 0.25, 0.75):
                canvas.stroke(across(share)[1:], clothes.trim, self.head_px * 0.07)


def _along(line: np.ndarray, share: float) -> np.ndarray:
    """Point at a share (0..1) of the height of a polyline (N, 2)."""
    place = share * (len(line) - 1)
    below = min(int(place), len(line) - 2)
    return line[below] + (line[below + 1] - line[below]) * (place - below)
