"""A drawn person's identity: what stays the same in every picture of that person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Colour = tuple[float, float, float]

# Ramps from light to dark, BGR; an identity lies anywhere on a ramp, plus a personal shift.
SKIN_RAMP = (
    (212, 224, 246),
    (172, 202, 236),
    (130, 172, 218),
    (92, 132, 190),
    (62, 94, 144),
    (42, 62, 100),
)
HAIR_RAMP = (
    (24, 22, 24), (30, 38, 56), (38, 64, 104), (44, 62, 150), (70, 120, 180), (120, 178, 216),
    (150, 158, 166), (212, 216, 220),
)  # fmt: skip
IRIS_RAMP = ((28, 42, 66), (40, 80, 112), (88, 122, 82), (150, 122, 72), (192, 152, 92))


def on_ramp(ramp: Sequence[Colour], position: float) -> np.ndarray:
    """Colour (3,) at `position` (0..1) on a colour ramp."""
    colours = np.asarray(ramp, float)
    place = np.clip(position, 0, 1) * (len(colours) - 1)
    below = min(int(place), len(colours) - 2)
    colour: np.ndarray = colours[below] + (colours[below + 1] - colours[below]) * (place - below)
    return colour


def _colour(values: np.ndarray) -> Colour:
    blue, green, red = np.clip(values, 0, 255)
    return float(blue), float(green), float(red)


@dataclass(frozen=True)
class Identity:
    """Continuous parameters of one person's face, hair and body.

    Lengths of the head are in halves of its height, the origin in its middle, y down and z out of
    the face; lengths of the body are in head heights. Colours are BGR, 0..255. `seed` names the
    person and also seeds the patterns that are too fine for parameters (freckles).
    """

    seed: int
    # colours
    skin: Colour
    hair: Colour
    iris: Colour
    lips: Colour
    # head shape
    head_width: float
    head_depth: float
    jaw_power: float
    chin: float
    cheek: float
    forehead_power: float
    # eyes and brows
    eye_y: float
    eye_gap: float
    eye_width: float
    eye_open: float
    eye_tilt: float
    eye_bags: float
    lashes: float
    brow_gap: float
    brow_thick: float
    brow_width: float
    brow_tilt: float
    brow_arch: float
    # nose, mouth, ears
    nose_length: float
    nose_width: float
    nose_tip: float
    mouth_gap: float
    mouth_width: float
    upper_lip: float
    lower_lip: float
    mouth_curve: float
    ear_size: float
    ear_flare: float
    # hair
    hairline: float
    temples: float
    hair_part: float
    hair_volume: float
    hair_side: float
    hair_length: float
    hair_wave: float
    bun: float
    bald: bool
    beard: float
    moustache: float
    # skin texture
    age: float
    freckles: float
    blush: float
    moles: int
    # glasses owned, not always worn
    glasses: bool
    glasses_size: float
    glasses_square: float
    glasses_colour: Colour
    # body
    tall: float
    shoulders: float
    hips: float
    limbs: float
    legs: float
    belly: float

    @classmethod
    def sample(cls, seed: int) -> Identity:
        """The person with this number: always the same one."""
        rng = np.random.default_rng((seed, 0x1D))
        uniform = rng.uniform
        skin = on_ramp(SKIN_RAMP, rng.random()) + rng.normal(0, 6, 3)
        age = rng.random()
        # Grey hair belongs to the old end of the ramp; most heads are dark or coloured.
        hair_position = uniform(0.75, 1.0) if age > 0.8 else 0.8 * rng.random() ** 1.2
        hair = on_ramp(HAIR_RAMP, hair_position) + rng.normal(0, 5, 3)
        bearded = rng.random() < 0.25
        long_haired = not bearded and rng.random() < 0.5
        tied_up = long_haired and rng.random() < 0.2  # in a bun
        hanging = long_haired and not tied_up
        curly = not hanging and rng.random() < 0.2
        return cls(
            seed=seed,
            skin=_colour(skin),
            hair=_colour(hair),
            iris=_colour(on_ramp(IRIS_RAMP, rng.random())),
            lips=_colour(
                skin * uniform(0.72, 0.85) + np.array([12.0, 0.0, 42.0]) * uniform(0.2, 1)
            ),
            head_width=uniform(0.68, 0.86),
            head_depth=uniform(0.82, 0.94),
            jaw_power=uniform(1.7, 3.3),
            chin=uniform(0.92, 1.1),
            cheek=uniform(-0.02, 0.07),
            forehead_power=uniform(2.0, 2.7),
            eye_y=uniform(-0.04, 0.12),
            eye_gap=uniform(0.27, 0.37),
            eye_width=uniform(0.115, 0.17),
            eye_open=uniform(0.05, 0.09),
            eye_tilt=uniform(-0.25, 0.25),
            eye_bags=rng.random(),
            lashes=uniform(0.02, 0.05),
            brow_gap=uniform(0.13, 0.23),
            brow_thick=uniform(0.018, 0.06),
            brow_width=uniform(0.14, 0.21),
            brow_tilt=uniform(-0.3, 0.25),
            brow_arch=uniform(0.0, 0.07),
            nose_length=uniform(0.28, 0.44),
            nose_width=uniform(0.08, 0.16),
            nose_tip=uniform(0.14, 0.26),
            mouth_gap=uniform(0.17, 0.26),
            mouth_width=uniform(0.17, 0.29),
            upper_lip=uniform(0.02, 0.055),
            lower_lip=uniform(0.03, 0.075),
            mouth_curve=uniform(-0.03, 0.03),
            ear_size=uniform(0.75, 1.3),
            ear_flare=uniform(0.35, 0.9),
            hairline=uniform(-0.74, -0.34),
            temples=uniform(-0.1, 0.3),
            hair_part=uniform(-1.2, 1.2),
            hair_volume=uniform(0.2, 0.5) if curly else uniform(0.04, 0.25),
            hair_side=uniform(0.3, 0.95) if hanging else uniform(-0.25, 0.15),
            hair_length=uniform(0.9, 3.0) if hanging else 0.0,
            hair_wave=uniform(0.03, 0.07) if curly else uniform(0, 0.03),
            bun=uniform(0.22, 0.4) if tied_up else 0.0,
            bald=not long_haired and rng.random() < 0.14,
            beard=uniform(0.25, 0.9) if bearded else 0.0,
            moustache=uniform(0.4, 1.0) if bearded or rng.random() < 0.08 else 0.0,
            age=age,
            freckles=uniform(0.3, 1.0) if rng.random() < 0.3 else 0.0,
            blush=rng.random(),
            moles=int(rng.integers(0, 4)),
            glasses=rng.random() < 0.25,
            glasses_size=uniform(0.19, 0.25),
            glasses_square=rng.random(),
            glasses_colour=_colour(on_ramp(HAIR_RAMP, rng.random()) * 0.6 + rng.uniform(0, 60, 3)),
            tall=uniform(6.1, 7.5),
            shoulders=uniform(0.66, 0.93),
            hips=uniform(0.42, 0.62),
            limbs=uniform(0.8, 1.25),
            legs=uniform(0.94, 1.07),
            belly=rng.random() ** 2,
        )
