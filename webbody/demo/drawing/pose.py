"""Poses: a skeleton's joints in three dimensions."""

from __future__ import annotations

import numpy as np

from webbody.demo.drawing.identity import Identity

SIDES = (("left", 1), ("right", -1))


def _direction(abduct: float, flex: float, side: int) -> np.ndarray:
    """Unit vector of a hanging limb lifted sideways by `abduct`, forwards by `flex` radians."""
    down = np.cos(abduct)
    return np.array([side * np.sin(abduct), down * np.cos(flex), down * np.sin(flex)])


def sample_pose(
    rng: np.random.Generator, person: Identity, calm: bool = False, swing: float | None = None
) -> dict[str, np.ndarray]:
    """Joints (3,) of somebody standing, walking, sitting or waving; `calm` leaves out the last two.

    swing: of the left leg forwards, radians, in a walk; by chance where it is not given.

    Frame: head heights, origin in the head's middle, x towards the subject's left, y down,
    z forwards. Names: left_shoulder, ... left_ankle, left_toe, and the same for the right.
    """
    shoulder_y = 0.96
    hip_y = shoulder_y + 0.33 * (person.tall - 1.0)
    leg = (person.tall - 0.62 - hip_y) * person.legs
    arm = 0.43 * leg + 0.55
    sits = not calm and rng.random() < 0.08
    stride = float(rng.uniform(0.15, 0.5) if rng.random() < 0.35 else rng.uniform(0, 0.1))
    stride = stride if swing is None else swing
    joints: dict[str, np.ndarray] = {}
    for name, side in SIDES:
        upper, fore = _arm_angles(rng, -side * stride * 0.6, calm)
        shoulder = np.array([side * person.shoulders * 0.96, shoulder_y, 0.0])
        elbow = shoulder + _direction(*upper, side) * arm * 0.52
        joints[f"{name}_shoulder"], joints[f"{name}_elbow"] = shoulder, elbow
        joints[f"{name}_wrist"] = elbow + _direction(*fore, side) * arm * 0.48
        thigh, shin = _leg_angles(rng, side * stride, sits)
        hip = np.array([side * person.hips * 0.72, hip_y, 0.0])
        knee = hip + _direction(*thigh, side) * leg * 0.5
        ankle = knee + _direction(*shin, side) * leg * 0.5
        joints[f"{name}_hip"], joints[f"{name}_knee"] = hip, knee
        joints[f"{name}_ankle"] = ankle
        joints[f"{name}_toe"] = ankle + np.array([side * 0.08, 0.17, 0.32])
    return joints


_Angles = tuple[float, float]


def _arm_angles(rng: np.random.Generator, swing: float, calm: bool) -> tuple[_Angles, _Angles]:
    """(abduct, flex) of the upper arm and of the forearm."""
    habit, uniform = rng.random(), rng.uniform
    if habit < 0.12 and not calm:  # raised
        abduct, flex = uniform(1.5, 2.6), uniform(-0.2, 0.4)
        return (abduct, flex), (abduct + uniform(-0.4, 1.0), flex)
    if habit < 0.27:  # hand on the hip
        return (uniform(0.6, 0.9), uniform(-0.3, 0.0)), (-uniform(0.5, 0.9), uniform(0.0, 0.4))
    abduct, flex = uniform(0.08, 0.4), swing + rng.normal(0, 0.25)
    if habit < 0.42:  # forearm lifted in front
        return (abduct, flex), (uniform(-0.6, 0.3), flex + uniform(0.9, 2.0))
    return (abduct, flex), (abduct * 0.5, flex + uniform(0.05, 0.6))


def _leg_angles(rng: np.random.Generator, swing: float, sits: bool) -> tuple[_Angles, _Angles]:
    """(abduct, flex) of the thigh and of the shin."""
    uniform = rng.uniform
    if sits:
        abduct, flex, bend = uniform(0.05, 0.4), uniform(1.0, 1.4), uniform(1.0, 1.5)
    else:
        abduct, flex = uniform(0.0, 0.13), swing + rng.normal(0, 0.05)
        bend = uniform(0, 0.12) + (uniform(0, 0.7) if swing < 0 else 0.0)
    return (abduct, flex), (abduct * 0.6, flex - bend)
