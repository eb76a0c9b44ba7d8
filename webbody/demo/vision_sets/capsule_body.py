"""A person made of capsules, in the poses, builds and clothes of the drawn ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from webbody.demo.drawing.clothes import PLAIN, Clothes
from webbody.demo.drawing.identity import Identity
from webbody.demo.drawing.pose import sample_pose
from webbody.demo.vision_sets.capsules import Capsules


@dataclass(frozen=True, eq=False)
class CapsulePerson:
    """Capsules in the subject's frame (heads; x to the left, y down, z forwards).

    colours (N, 3): BGR 0..255. is_patterned (N,): of clothes that have stripes. feet: the y of the
    lowest point.
    """

    capsules: Capsules
    colours: np.ndarray
    is_patterned: np.ndarray
    feet: float


def capsule_person(rng: np.random.Generator) -> CapsulePerson:
    """Somebody in some pose and clothes."""
    identity = Identity.sample(int(rng.integers(1 << 31)))
    clothes = Clothes.sample(rng)
    joints = sample_pose(rng, identity)
    body = _Body(identity, clothes, joints)
    body.add_head()
    body.add_trunk()
    for side in ("left", "right"):
        body.add_arm(side)
        body.add_leg(side)
    return body.whole()


class _Body:
    """The capsules of a body, added one after the other."""

    def __init__(
        self, identity: Identity, clothes: Clothes, joints: Mapping[str, np.ndarray]
    ) -> None:
        self.identity, self.clothes, self.joints = identity, clothes, joints
        self.skin, self.top = np.array(identity.skin), np.array(clothes.top)
        self.thick = identity.limbs * 0.155
        self.rows: list[tuple[np.ndarray, np.ndarray, float, np.ndarray, bool]] = []

    def add(
        self,
        start: np.ndarray | tuple[float, float, float],
        end: np.ndarray | tuple[float, float, float],
        radius: float,
        colour: np.ndarray,
        is_top: bool = False,
    ) -> None:
        row = np.asarray(start, float), np.asarray(end, float), radius, colour, is_top
        self.rows.append(row)

    def add_head(self) -> None:
        """Skull, hair, nose, eyes and neck."""
        person = self.identity
        wide = 0.44 * person.head_width
        hair = self.skin if person.bald else np.array(person.hair)
        self.add((0, -0.16, 0), (0, 0.14, 0.04), wide, self.skin)
        self.add((0, -0.2, -0.07), (0, -0.06, -0.12), wide * 1.06, hair)
        self.add((0, 0, wide + 0.02), (0, 0.06, wide + 0.06), 0.05, self.skin)
        for side in (-1, 1):
            eye = (0.5 * side * person.eye_gap, 0.5 * person.eye_y, wide + 0.01)
            self.add(eye, eye, 0.035, np.array(person.iris) * 0.6)
        self.add((0, 0.4, -0.02), (0, 0.85, -0.02), 0.17, self.skin * 0.9)

    def add_trunk(self) -> None:
        """Shoulders, five bars from them to the hips, and the hips."""
        left, right = self.joints["left_shoulder"], self.joints["right_shoulder"]
        left_hip, right_hip = self.joints["left_hip"], self.joints["right_hip"]
        narrow, lower = (0.75, 1, 1), (0, 0.08, 0)
        self.add(left * narrow + lower, right * narrow + lower, 0.22, self.top, True)
        girth = 0.23 + 0.06 * self.identity.belly
        for share in np.linspace(0, 1, 5):
            above = (1 - share) * left + share * right
            below = (1 - share) * left_hip + share * right_hip
            start = above * (0.78, 1, 1) + (0, 0.2, 0)
            self.add(start, below * (1.05, 1, 1), girth, self.top, True)
        self.add(left_hip, right_hip, 0.28, np.array(self.clothes.bottom))

    def add_arm(self, side: str) -> None:
        shoulder, elbow, wrist = self._joints(side, "shoulder", "elbow", "wrist")
        sleeves, thick = self.clothes.sleeves, self.thick
        for start, end, radius, covered in (
            (shoulder, elbow, thick, sleeves > 0),
            (elbow, wrist, thick * 0.75, sleeves == 1),
        ):
            self.add(start, end, radius, self.top if covered else self.skin, covered)
        palm = (wrist - elbow) / np.linalg.norm(wrist - elbow)
        self.add(wrist, wrist + palm * 0.28, thick * 0.62, self.skin * 0.95)

    def add_leg(self, side: str) -> None:
        hip, knee, ankle, toe = self._joints(side, "hip", "knee", "ankle", "toe")
        cloth, thick = np.array(self.clothes.bottom), self.thick
        is_bare = self.clothes.skirt or self.clothes.trousers < 1
        self.add(hip, knee, thick * 1.45, cloth)
        self.add(knee, ankle, thick * 0.95, self.skin if is_bare else cloth)
        self.add(ankle, toe, thick * 0.75, np.array(self.clothes.shoes))

    def whole(self) -> CapsulePerson:
        starts, ends, radii, colours, is_top = (
            np.array(column) for column in zip(*self.rows, strict=True)
        )
        is_patterned = is_top & (self.clothes.pattern != PLAIN)
        feet = float(np.maximum(starts[:, 1] + radii, ends[:, 1] + radii).max())
        return CapsulePerson(Capsules(starts, ends, radii), colours, is_patterned, feet)

    def _joints(self, side: str, *names: str) -> list[np.ndarray]:
        return [self.joints[f"{side}_{name}"] for name in names]
